/** Where a word stands in a line as it is written, quotes and escapes included: from `start` up to `end`. */
export type WordRange = { readonly start: number; readonly end: number };

const WORD = /(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s#"'\\])+/y;

/** The words of a line up to a comment, variables left as they are. */
export function wordRanges(line: string): WordRange[] {
  const spans: WordRange[] = [];
  for (let at = 0; at < line.length; ) {
    WORD.lastIndex = at;
    const [word] = WORD.exec(line) ?? [];
    if (word !== undefined) {
      spans.push({ start: at, end: at + word.length });
      at += word.length;
    } else if (/\s/.test(line[at] ?? '')) at += 1;
    else break;
  }
  return spans;
}

export function textAt(line: string, range: WordRange | undefined): string {
  return range === undefined ? '' : line.slice(range.start, range.end);
}

/** The word as HAProxy reads it, variables not expanded. */
export function unquotedAt(line: string, range: WordRange | undefined): string {
  return textAt(line, range).replace(/["'\\]/g, '');
}

export function indentOf(line: string): string {
  return /^[ \t]*/.exec(line)?.[0] ?? '';
}
