import { isIP } from 'node:net';
import { COMMANDS } from '../commands.ts';
import { defaultOf } from '../config/table.ts';
import { formatAddress, type ListenAddress } from '../listen-address.ts';
import type { OptionTable } from '../options.ts';
import type { OptInGroup } from '../records/opt-in-attributes.ts';
import {
  address,
  type Env,
  listOf,
  notAccepted,
  oneOf,
  type Parser,
  read,
  UsageError,
} from '../settings.ts';
import { attributesNamed } from './attributes.ts';

/** Whose traces are continued: a named policy, or the networks and `bind` lines of trusted callers. */
const TRUST_POLICIES = ['private', 'continue', 'restart', 'ignore'] as const;
export type TrustPolicy =
  | (typeof TRUST_POLICIES)[number]
  | { readonly networks: readonly string[]; readonly binds: readonly string[] };

/** Formats beside W3C's that are read and written. */
const HEADER_FORMATS = ['tracecontext', 'baggage', 'b3', 'b3multi', 'jaeger', 'xray'] as const;
export type HeaderFormat = (typeof HEADER_FORMATS)[number];

/** What `add` is asked for. */
export type WiringOptions = {
  /** Names of frontends; undefined is all of them. */
  readonly frontends: readonly string[] | undefined;
  /** Whether connections of frontends with `mode tcp` are spans, too. */
  readonly tcp: boolean;
  /** Undefined: private networks, where client addresses can be trusted. */
  readonly trust: TrustPolicy | undefined;
  readonly propagators: readonly HeaderFormat[];
  readonly spop: ListenAddress;
  readonly records: ListenAddress;
  /** What HAProxy shows and trusts on its connections to the agent; undefined: they are without TLS. */
  readonly tls: ServerTls | undefined;
  /** The file with the SPOE engine, as HAProxy opens it; undefined: `add` writes one beside the configuration. */
  readonly engine: string | undefined;
  /** Whether what HAProxy logs of backends, as states of their servers, goes to the ring, too. */
  readonly states: boolean;
  /**
   * The share of new traces that is sampled, as a number from 0 to 1: HAProxy decides, and asks the agent only where it
   * has to. Undefined: the agent decides.
   */
  readonly ratio: string | undefined;
  /** Whether responses that outlive a reload are reported before HAProxy 3.1, at the cost of the severity of lines. */
  readonly throughReload: boolean;
  /**
   * Whether records of hops that are neither sampled nor failed are not written to the ring; before HAProxy 3.1 where
   * nobody else logs.
   */
  readonly onlySampled: boolean;
  /** Span attributes beside those that every hop has. */
  readonly attributes: readonly OptInGroup[];
  /** Whether the user's loggers get one JSON object a line in place of what they got. */
  readonly jsonLog: boolean;
};

/** As HAProxy opens them: a PEM file with a certificate and its key, and one with the authorities of the agent's. */
export type ServerTls = { readonly crt: string; readonly caFile: string };

/** Values of options by name, as they are written. */
export type Words = Readonly<Record<string, string | undefined>>;

const OPTIONS: OptionTable = COMMANDS.add.options;

/** Options that `add` records in the configuration, as defaults of its next run. */
export const RECORDED = (
  Object.keys(COMMANDS.add.options) as (keyof typeof COMMANDS.add.options)[]
).filter((name) => 'recorded' in COMMANDS.add.options[name]);

/** @throws UsageError for a value that is not accepted */
export function wiringOptions(words: Words, settings: Env): WiringOptions {
  const flags: Env = Object.fromEntries(
    Object.entries(words).map(([name, value]) => [`--${name}`, value]),
  );
  const listener = (
    flag: string,
    variable: 'HAPROXY_OTEL_SPOP' | 'HAPROXY_OTEL_RECORDS',
  ): ListenAddress => {
    const name = flags[flag]?.trim() ? flag : variable;
    const found = read({ ...settings, ...flags }, name, defaultOf(variable), address);
    if (found.kind === 'fd') {
      throw new UsageError(`${variable} is "fd:${found.fd}": ${flag} has to say where that is`);
    }
    if (found.kind === 'tcp' && found.port === 0) {
      throw notAccepted(name, formatAddress(found), 'a port from 1 to 65535');
    }
    return found;
  };
  return {
    frontends: read(flags, '--frontend', undefined, names),
    tcp: words.tcp !== undefined,
    trust: read(flags, '--trust', undefined, trust),
    propagators: read(flags, '--propagators', [], listOf(HEADER_FORMATS)),
    spop: listener('--spop', 'HAPROXY_OTEL_SPOP'),
    records: listener('--records', 'HAPROXY_OTEL_RECORDS'),
    tls: serverTls(flags),
    engine: read(flags, '--engine', undefined, path),
    states: words.states !== undefined,
    ratio: read(flags, '--ratio', undefined, ratio),
    throughReload: words['through-reload'] !== undefined,
    onlySampled: read(flags, '--lines', 'all', oneOf(['all', 'sampled'])) === 'sampled',
    attributes: read(flags, '--attributes', [], attributesNamed),
    jsonLog: read(flags, '--access-log', 'own', oneOf(['own', 'json'])) === 'json',
  };
}

function serverTls(flags: Env): ServerTls | undefined {
  const crt = read(flags, '--tls', 'off', path);
  if (crt === 'off') return undefined;
  const caFile = read(flags, '--ca-file', undefined, path);
  if (caFile !== undefined) return { crt, caFile };
  throw new UsageError(
    `--tls is "${crt}": --ca-file has to say whose certificates of the agent HAProxy trusts`,
  );
}

/** The options of `words` as a command line, of which `recordedWords` makes them again. */
export function recorded(words: Words, { spop, records }: WiringOptions): string {
  const all: Words = { ...words, spop: formatAddress(spop), records: formatAddress(records) };
  return RECORDED.flatMap((name) => {
    const value = all[name];
    if (value === undefined) return [];
    return OPTIONS[name]?.value === undefined
      ? [`--${name}`]
      : [`--${name} ${value.replaceAll(' ', '')}`];
  }).join(' ');
}

export function recordedWords(line: string): Words {
  const found = [...line.matchAll(/--([a-z-]+)(?: (?!--)(\S+))?/g)];
  return Object.fromEntries(
    found.flatMap(([, name = '', value = '']) =>
      RECORDED.some((each) => each === name) ? [[name, value]] : [],
    ),
  );
}

const names: Parser<string[]> = {
  accepts: 'the name of a frontend, or several with commas between them',
  parse: (text) => {
    const list = text.split(',').map((each) => each.trim());
    return list.every((each) => /^[A-Za-z0-9_.:-]+$/.test(each)) ? list : undefined;
  },
};

const path: Parser<string> = {
  accepts: 'a path without blanks and quotes',
  parse: (text) => (/[\s"'#\\$]/.test(text) ? undefined : text),
};

const trust: Parser<TrustPolicy> = {
  accepts: `${TRUST_POLICIES.join(', ')}, or networks and bind:NAME with commas between them`,
  parse: (text) => {
    const name = oneOf(TRUST_POLICIES).parse(text.toLowerCase());
    if (name !== undefined) return name;
    const all = text.split(',').map((each) => each.trim());
    const binds = all.flatMap((each) => /^bind:([A-Za-z0-9_.:-]+)$/.exec(each)?.[1] ?? []);
    const networks = all.filter(isNetwork);
    return networks.length + binds.length === all.length ? { networks, binds } : undefined;
  },
};

function isNetwork(text: string): boolean {
  const [host = '', bits, more] = text.split('/');
  const most = { 0: -1, 4: 32, 6: 128 }[isIP(host)] ?? -1;
  return (
    most > 0 &&
    more === undefined &&
    (bits === undefined || (/^\d+$/.test(bits) && Number(bits) <= most))
  );
}

const ratio: Parser<string> = {
  accepts: 'a number from 0 to 1 with at most six decimals',
  parse: (text) => {
    const full = text.replace(/^\./, '0.');
    return /^(?:0(?:\.\d{1,6})?|1(?:\.0{1,6})?)$/.test(full) ? full : undefined;
  },
};

/** @throws UsageError for names of frontends that are not there */
export function checkNames(asked: readonly string[] | undefined, known: readonly string[]): void {
  const unknown = asked?.find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw notAccepted('--frontend', unknown, `one of ${known.join(', ')}`);
}

/** @throws UsageError for `bind` lines that are to be trusted and are not there */
export function checkBinds(asked: TrustPolicy | undefined, known: readonly string[]): void {
  const binds = typeof asked === 'object' ? asked.binds : [];
  const unknown = binds.find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const names = [...new Set(known)].map((name) => `bind:${name}`).join(', ');
  const none = `no "bind" line has a name; "bind … name ${unknown}"`;
  throw notAccepted('--trust', `bind:${unknown}`, known.length === 0 ? none : `one of ${names}`);
}
