/** A piece of a log format: text as it is, or a value that HAProxy puts there. */
export type LogPart =
  | { readonly kind: 'text'; readonly text: string }
  | {
      /** `%ST`, or `%[…]`. */
      readonly kind: 'variable' | 'sample';
      /** `ST`, or the expression. */
      readonly name: string;
      /** Of `%{+Q}ST`: Q; those of `%{+…}o` count for all behind it. */
      readonly flags: ReadonlySet<string>;
      /** As it is written. */
      readonly source: string;
    };

const VALUE = /^%(?:\{(?<flags>[^}]*)\})?(?:\((?<label>[^)]*)\))?(?:\[|(?<name>[A-Za-z]+))/;
const QUOTES = /^(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.)/;

/**
 * Cuts a log format into its pieces. Anything else is text, as in HAProxy before 3.0.
 *
 * Source: HAProxy's configuration manual, section 8.2 on log formats.
 */
export function parseLogFormat(format: string): LogPart[] {
  const parts: LogPart[] = [];
  let common: ReadonlySet<string> = new Set();
  let text = '';
  const flush = (): void => {
    if (text !== '') parts.push({ kind: 'text', text });
    text = '';
  };
  for (let at = 0; at < format.length; ) {
    const found = format[at] === '%' ? VALUE.exec(format.slice(at)) : null;
    if (found === null) {
      const isEscaped = format.startsWith('%%', at);
      text += format[at] ?? '';
      at += isEscaped ? 2 : 1;
      continue;
    }
    const { flags: own = '', name } = found.groups ?? {};
    const flags = applied(common, own);
    const length =
      name === undefined ? sampleLength(format.slice(at), found[0].length) : found[0].length;
    const source = format.slice(at, at + length);
    at += length;
    if (name === 'o') {
      common = flags;
      continue;
    }
    flush();
    const kind = name === undefined ? 'sample' : 'variable';
    parts.push({ kind, name: name ?? source.slice(found[0].length, -1), flags, source });
  }
  flush();
  return parts;
}

/** Up to the bracket that closes, quotes and nested ones passed over. */
function sampleLength(text: string, start: number): number {
  let depth = 1;
  for (let at = start; at < text.length; ) {
    const quoted = QUOTES.exec(text.slice(at))?.[0];
    if (quoted === undefined) {
      if (text[at] === '[') depth += 1;
      if (text[at] === ']') depth -= 1;
      if (depth === 0) return at + 1;
    }
    at += quoted?.length ?? 1;
  }
  return text.length;
}

function applied(common: ReadonlySet<string>, text: string): ReadonlySet<string> {
  const flags = new Set(common);
  for (const each of text.split(',')) {
    const [, sign, name = ''] = /^([+-])(\w+)$/.exec(each.trim()) ?? [];
    if (sign === '+') flags.add(name);
    if (sign === '-') flags.delete(name);
  }
  return flags;
}
