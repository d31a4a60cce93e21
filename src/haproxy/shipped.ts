import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ListenAddress } from '../listen.ts';
import { haproxyAddress } from './addresses.ts';
import { decide } from './conditions.ts';
import type { HaproxyVersion } from './version.ts';

/** The folders `haproxy` and `spoe` lie beside `src` and `dist`. */
function shippedPath(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url));
}

/** Where the SPOE engine is that comes with this package. */
export const SHIPPED_ENGINE = shippedPath('spoe/otel.conf');

/** What an existing configuration needs, as the example has it: lines without the indentation of their place. */
export type ShippedLines = {
  readonly global: readonly string[];
  readonly sections: readonly string[];
  readonly http: readonly string[];
  readonly tcp: readonly string[];
  /** What writes headers of other formats, by the format's name. */
  readonly formats: Readonly<Record<string, readonly string[]>>;
};

/** What takes the place of what the example has. */
export type Place = {
  readonly version: HaproxyVersion;
  readonly spop: ListenAddress;
  readonly records: ListenAddress;
  readonly engine: string;
};

/**
 * Reads the blocks of haproxy/haproxy.cfg and of haproxy/formats.cfg for a place: what is for other versions is left
 * out, and what tells records by datagram where the agent takes none.
 *
 * @throws Error when the files are not those of this version of the package
 */
export function shippedLines(place: Place): ShippedLines {
  const example = readFileSync(shippedPath('haproxy/haproxy.cfg'), 'utf8');
  const blocks = [...example.matchAll(/^ *# >>> otel.*?^ *# <<< otel$/gms)].map(([block]) =>
    withoutDatagrams(linesFor(place.version, block), place.records).map((line) => put(line, place)),
  );
  const [global, sections, http, tcp] = blocks;
  if (global === undefined || sections === undefined || http === undefined || tcp === undefined) {
    throw new Error(`haproxy/haproxy.cfg has ${blocks.length} blocks of lines, not four`);
  }
  return { global, sections, http, tcp, formats: readFormats() };
}

/** Such a listener has no port for them. */
function withoutDatagrams(lines: readonly string[], records: ListenAddress): readonly string[] {
  if (records.kind === 'tcp') return lines;
  return lines.filter((line) => !/^log 127\.|set-log-level|log-separate-errors/.test(line));
}

function put(line: string, { spop, records, engine }: Place): string {
  return line
    .replaceAll('127.0.0.1:12345', () => haproxyAddress(spop))
    .replaceAll('127.0.0.1:12346', () => haproxyAddress(records))
    .replace('config spoe/otel.conf', () => `config ${engine.replace(/[\s\\#'"]/g, '\\$&')}`);
}

function readFormats(): Record<string, string[]> {
  const formats: Record<string, string[]> = {};
  let current: string[] = [];
  for (const line of readFileSync(shippedPath('haproxy/formats.cfg'), 'utf8').split('\n')) {
    const name = /^# ([a-z0-9]+)$/.exec(line)?.[1];
    if (name !== undefined) {
      current = [];
      formats[name] = current;
    } else if (line !== '' && !line.startsWith('#')) current.push(line);
  }
  return formats;
}

/** Without the marks, the common indentation and the blocks of other versions; conditions are about nothing else. */
function linesFor(version: HaproxyVersion, block: string): string[] {
  const lines = block.split('\n').slice(1, -1);
  const indent = Math.min(
    ...lines.filter((line) => line.trim() !== '').map((line) => line.search(/\S/)),
  );
  const facts = { version, features: undefined, lookup: () => undefined };
  let counts = true;
  return lines.flatMap((line) => {
    const [, directive, condition = ''] = /^\s*\.(if|else|endif)\b\s*(.*)$/.exec(line) ?? [];
    if (directive === undefined) return counts ? [line.slice(indent)] : [];
    counts =
      directive === 'if' ? decide(condition, facts) === true : directive === 'endif' || !counts;
    return [];
  });
}
