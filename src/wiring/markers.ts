import { textAt, unquotedAt, wordRanges } from '../haproxy/words.ts';
import { UsageError } from '../settings.ts';

/**
 * How a line that `add` wrote is recognized. Blocks stand between two lines of their own, a line alone ends in a word
 * of ours, and a line of the user's that was changed ends in what it was.
 */
const BEGIN = /^\s*# >>> otel(?::|\s*$)/;
const END = /^\s*# <<< otel\s*$/;
const ALONE = / # haproxy-otel-spoa\s*$/;
const BLOCK = /^# >>> otel(?:: (.*?))?\r?\n([\s\S]*?)^# <<< otel/gm;
/** A comment of the user's may have come behind it. */
const CHANGED = / # haproxy-otel-spoa: was "(.*?)"(?=\s|$)(.*)$/;

export function block(indent: string, note: string, lines: readonly string[]): string[] {
  const begin = note === '' ? '# >>> otel' : `# >>> otel: ${note}`;
  return [begin, ...lines, '# <<< otel'].map((line) => (line === '' ? '' : `${indent}${line}`));
}

export function lineAlone(indent: string, line: string): string {
  return `${indent}${line} # haproxy-otel-spoa`;
}

/** The first line of a section with a name that it did not have: `defaults` becomes `defaults NAME`. */
export function named(head: string, name: string): string {
  const [kind, ...rest] = wordRanges(head);
  const at = kind?.end ?? 0;
  return changed(head, `${head.slice(0, at)} ${name}${head.slice(at)}`, rest.at(-1)?.end ?? at);
}

/** The first line of a proxy that inherits from other defaults. */
export function inheriting(head: string, defaults: string): string {
  const spans = wordRanges(head);
  const [, name, third, base] = spans;
  const to =
    textAt(head, third) === 'from' && base !== undefined
      ? `${head.slice(0, base.start)}${defaults}${head.slice(base.end)}`
      : `${head.slice(0, name?.end)} from ${defaults}${head.slice(name?.end)}`;
  return changed(head, to, spans.at(-1)?.end ?? 0);
}

function changed(from: string, to: string, end: number): string {
  return `${to} # haproxy-otel-spoa: was "${from.slice(0, end).trimStart()}"`;
}

/** What a line was before `named` or `inheriting`, with what was done to it since; undefined for any other line. */
function unchanged(line: string, made: Made): string | undefined {
  const found = CHANGED.exec(line);
  if (found !== null) {
    const [, was = '', more = ''] = found;
    return `${restored(line.slice(0, found.index), was)}${more}`;
  }
  const was = unmarked(line, made);
  return was === undefined ? undefined : restored(line, was);
}

/** Sections that `add` made: those of rules with what they inherit from, and those that got a name. */
type Made = { readonly rules: ReadonlyMap<string, string>; readonly named: ReadonlySet<string> };

function madeIn(texts: Iterable<string>): Made {
  const rules = new Map<string, string>();
  const named = new Set<string>();
  for (const text of texts) {
    for (const [, note = '', lines = ''] of text.matchAll(BLOCK)) {
      const name = /^"defaults" is "(\S+)" now/.exec(note)?.[1];
      if (name !== undefined) named.add(name);
      for (const [, made = '', base = ''] of lines.matchAll(/^defaults (\S+) from (\S+)/gm))
        rules.set(made, base);
    }
  }
  return { rules, named };
}

/** What was there before, where somebody removed the mark and left the change. */
function unmarked(line: string, { rules, named }: Made): string | undefined {
  const [kind = '', name = '', , defaults = ''] = wordRanges(line).map((span) =>
    unquotedAt(line, span),
  );
  if (kind === 'defaults') return named.has(name) ? kind : undefined;
  const base = kind === 'frontend' ? rules.get(defaults) : undefined;
  if (base === undefined) return undefined;
  return named.has(base) ? `${kind} ${name}` : `${kind} ${name} from ${base}`;
}

function restored(now: string, was: string): string {
  const [kind, second, third, fourth] = wordRanges(now);
  const before = wordRanges(was).map((span) => textAt(was, span));
  if (unquotedAt(now, kind) === 'defaults') {
    return `${now.slice(0, kind?.end)}${now.slice(second?.end ?? kind?.end)}`;
  }
  if (textAt(now, third) !== 'from') return now;
  return before[2] === 'from'
    ? `${now.slice(0, fourth?.start)}${before[3]}${now.slice(fourth?.end)}`
    : `${now.slice(0, second?.end)}${now.slice(fourth?.end)}`;
}

/** A text without what `add` wrote into it: what stood there before, and what was done to other lines since. */
type Unwired = {
  readonly text: string;
  /** The number that each of its lines, from 0, has in the text as it is, from 1. */
  readonly numbers: readonly number[];
  /** The notes of blocks, as passed to `block`. */
  readonly notes: readonly string[];
  readonly isWired: boolean;
};

/** @throws UsageError for a block that does not end */
export function unwireAll(texts: ReadonlyMap<string, string>): Map<string, Unwired> {
  const made = madeIn(texts.values());
  return new Map([...texts].map(([file, text]) => [file, unwire(text, file, made)]));
}

function unwire(text: string, file: string, made: Made): Unwired {
  const lines: string[] = [];
  const numbers: number[] = [];
  const notes: string[] = [];
  let isWired = false;
  let open: number | undefined;
  text.split('\n').forEach((source, index) => {
    const line = source.replace(/\r$/, '');
    const end = source.slice(line.length);
    if (BEGIN.test(line) && open === undefined) {
      open = index + 1;
      notes.push(line.replace(/^\s*# >>> otel:? ?/, ''));
    } else if (open !== undefined) {
      if (BEGIN.test(line)) throw unclosed(file, open);
      if (END.test(line)) open = undefined;
    } else if (END.test(line)) {
      throw new UsageError(`${file}:${index + 1}: "# <<< otel" ends a block that nothing begins`);
    } else if (!ALONE.test(line)) {
      const was = unchanged(line, made);
      isWired ||= was !== undefined;
      lines.push(was === undefined ? source : `${was}${end}`);
      numbers.push(index + 1);
      return;
    }
    isWired = true;
  });
  if (open !== undefined) throw unclosed(file, open);
  return { text: lines.join('\n'), numbers, notes, isWired };
}

function unclosed(file: string, line: number): UsageError {
  return new UsageError(
    `${file}:${line}: the block that begins here does not end: "# <<< otel" is missing behind it`,
  );
}
