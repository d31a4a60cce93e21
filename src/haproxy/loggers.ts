import { type HaproxyAddress, parseAddress } from './addresses.ts';
import { parseLogFormat } from './log-format.ts';
import { lastOf, optionOf, type ProxySection } from './proxies.ts';
import { type Section, wordAfter } from './sections.ts';
import type { Statement } from './statements.ts';

/** One `log` line. */
export type LogStatement = {
  readonly statement: Statement;
  readonly target:
    | { readonly kind: 'ring'; readonly name: string }
    | { readonly kind: 'datagram'; readonly address: HaproxyAddress }
    | { readonly kind: 'other' };
  /** Bytes; undefined where it is not set. */
  readonly length: number | undefined;
  readonly format: string | undefined;
  readonly sample: string | undefined;
  readonly profile: string | undefined;
  /** The most verbose level that is sent: 0 is emerg, 6 is info, 7 is debug. */
  readonly level: number;
};

const LEVELS = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'];
const OPTIONS = ['len', 'format', 'sample', 'profile'];

export function parseLogger(statement: Statement): LogStatement {
  const [, target = '', ...rest] = statement.words;
  const options: Record<string, string | undefined> = {};
  while (OPTIONS.includes(rest[0] ?? '')) {
    const [name = '', value] = rest.splice(0, 2);
    options[name] = value;
  }
  const [, level] = rest;
  return {
    statement,
    target: parseTarget(target),
    length: options.len === undefined ? undefined : Number(options.len),
    format: options.format,
    sample: options.sample,
    profile: options.profile,
    level: level === undefined ? LEVELS.length - 1 : LEVELS.indexOf(level),
  };
}

function parseTarget(target: string): LogStatement['target'] {
  const ring = /^ring@(.*)$/.exec(target)?.[1];
  if (ring !== undefined) return { kind: 'ring', name: ring };
  if (/^(stdout|stderr|fd@|backend@)/.test(target)) return { kind: 'other' };
  const address = parseAddress(target);
  return address.kind === 'tcp' ? { kind: 'datagram', address } : { kind: 'other' };
}

/** Log variables that are known only at the end of a response. */
const OF_THE_END = ['B', 'U', 'Ta', 'Td', 'Tt', 'Tu', 'rc', 'ts'];

/** The log format that a proxy's lines have; undefined is HAProxy's own line for a connection. */
export function formatOf({ statements }: ProxySection): string | undefined {
  const options = ['httplog', 'tcplog', 'httpslog'].map((name) => optionOf(statements, name));
  const last = statements.findLast(
    (line) => line.words[0] === 'log-format' || options.includes(line),
  );
  if (last === undefined) return undefined;
  return last.words[0] === 'log-format' ? last.words[1] || undefined : '%B';
}

/** Whether a line is written at the end of a response, not with its headers. */
export function countsBytes(format: string): boolean {
  return parseLogFormat(format).some(
    (part) => part.kind === 'variable' && OF_THE_END.includes(part.name),
  );
}

/** Whether a logger shows the structured data of its proxy: its own format, or that of its ring. */
export function isStructured(
  { format, target }: LogStatement,
  sections: readonly Section[],
): boolean {
  if (format !== undefined) return format === 'rfc5424';
  if (target.kind !== 'ring') return false;
  const ring = sections.find(({ kind, name }) => kind === 'ring' && name === target.name);
  const line = ring && lastOf(ring.statements, 'format');
  return line !== undefined && wordAfter(line, 'format') === 'rfc5424';
}
