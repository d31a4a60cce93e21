import { type HaproxyAddress, parseAddress } from './addresses.ts';
import type { Statement } from './statements.ts';

/** One `log` line. */
export type Logger = {
  readonly statement: Statement;
  readonly target:
    | { readonly kind: 'ring'; readonly name: string }
    | { readonly kind: 'datagram'; readonly address: HaproxyAddress }
    | { readonly kind: 'other' };
  /** Bytes; undefined where it is not said. */
  readonly length: number | undefined;
  readonly format: string | undefined;
  readonly sample: string | undefined;
  readonly profile: string | undefined;
  /** What is more verbose is not sent: 0 is emerg, 6 is info, 7 is debug, all. */
  readonly level: number;
};

const LEVELS = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'];
const INFO = LEVELS.indexOf('info');
const OPTIONS = ['len', 'format', 'sample', 'profile'];

export function parseLogger(statement: Statement): Logger {
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

/** Whether it sends what HAProxy says of a request that went well. */
export function takesAll({ level }: Logger): boolean {
  return level >= INFO;
}

function parseTarget(target: string): Logger['target'] {
  const ring = /^ring@(.*)$/.exec(target)?.[1];
  if (ring !== undefined) return { kind: 'ring', name: ring };
  if (/^(stdout|stderr|fd@|backend@)/.test(target)) return { kind: 'other' };
  const address = parseAddress(target);
  return address.kind === 'tcp' ? { kind: 'datagram', address } : { kind: 'other' };
}
