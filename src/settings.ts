import { accessSync, constants, statSync } from 'node:fs';
import { parseHostAndPort } from './endpoint.ts';
import type { ListenAddress } from './listen-address.ts';

/** HAProxy's limit, and what its configuration need not quote. */
const ABSTRACT = /^abns(z?)@([A-Za-z0-9_.:/-]{1,107})$/;

/** Wrong usage: a setting, option or file that cannot be used. The message names it, its value and what is accepted. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export type Env = Readonly<Record<string, string | undefined>>;

/** How a setting is parsed: `parse` returns undefined for what `accepts` does not describe. */
export type Parser<T> = {
  readonly accepts: string;
  readonly parse: (text: string) => T | undefined;
};

/** An empty value is the same as none, as OpenTelemetry has it. */
export function read<T, D>(env: Env, name: string, fallback: D, parser: Parser<T>): T | D {
  const text = env[name]?.trim();
  if (text === undefined || text === '') return fallback;
  const value = parser.parse(text);
  if (value === undefined) throw notAccepted(name, text, parser.accepts);
  return value;
}

/** Called for a setting that is not used as it is written, or is likely a mistake: its name, and why. */
export type Warn = (setting: string, reason: string) => void;

export const noWarn: Warn = () => {};

export function notAccepted(name: string, text: string, accepts: string): UsageError {
  return new UsageError(`${name} is "${text}": ${accepts} is accepted`);
}

export const anyText: Parser<string> = { accepts: 'any text', parse: (text) => text };

export const LOG_LEVELS = ['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export function oneOf<const T extends string>(names: readonly T[]): Parser<T> {
  return {
    accepts: names.length === 1 ? `only ${names[0]}` : `one of ${names.join(', ')}`,
    parse: (text) => names.find((name) => name === text.toLowerCase()),
  };
}

/** The longest time that a setting can be, in milliseconds. */
export const LONGEST = 3_600_000;

export function integerFrom(minimum: number, maximum = 2 ** 31 - 1): Parser<number> {
  return {
    accepts: `a whole number from ${minimum} to ${maximum}`,
    parse: (text) => {
      const value = Number(text);
      return /^\d+$/.test(text) && value >= minimum && value <= maximum ? value : undefined;
    },
  };
}

/** Milliseconds; 0 is no limit, for which the specification allows a very long time. */
export const timeout: Parser<number> = {
  accepts: integerFrom(0, LONGEST).accepts,
  parse: (text) => {
    const value = integerFrom(0, LONGEST).parse(text);
    return value === 0 ? LONGEST : value;
  },
};

export const ratio: Parser<number> = {
  accepts: 'a number from 0 to 1',
  parse: (text) => {
    const value = Number(text);
    return value >= 0 && value <= 1 ? value : undefined;
  },
};

export const boolean: Parser<boolean> = {
  accepts: 'true or false',
  parse: (text) => {
    const lower = text.toLowerCase();
    return lower === 'true' ? true : lower === 'false' ? false : undefined;
  },
};

/** OpenTelemetry's names for log levels where they differ from pino's. */
const OTEL_LEVELS: Readonly<Record<string, LogLevel>> = {
  none: 'silent',
  verbose: 'trace',
  all: 'trace',
};

export const logLevelNamed: Parser<LogLevel> = {
  accepts: `one of ${LOG_LEVELS.join(', ')}`,
  parse: (text) => {
    const lower = text.toLowerCase();
    return OTEL_LEVELS[lower] ?? LOG_LEVELS.find((level) => level === lower);
  },
};

/** Names with commas between them, each once. */
export function listOf<const T extends string>(names: readonly T[]): Parser<T[]> {
  return {
    accepts: `a list of ${names.join(', ')}`,
    parse: (text) => {
      const parts = text.split(',').map((part) => part.trim().toLowerCase());
      const known = parts.map((part) => names.find((name) => name === part));
      return known.includes(undefined) || new Set(known).size < known.length
        ? undefined
        : (known as T[]);
    },
  };
}

/** Header field names or the like, with commas between them. */
export const tokens: Parser<string[]> = {
  accepts: 'a list of names without spaces, commas between them,',
  parse: (text) => {
    const parts = text.split(',').map((part) => part.trim());
    return parts.every((part) => /^[^\s=;"\\]+$/.test(part)) ? parts : undefined;
  },
};

/** A rate a second. */
export const perSecond: Parser<number> = {
  accepts: 'a number above 0',
  parse: (text) => {
    const value = Number(text);
    return value > 0 && Number.isFinite(value) ? value : undefined;
  },
};

export const file: Parser<string> = {
  accepts: 'the path of a file that this user can read',
  parse: (text) => {
    try {
      accessSync(text, constants.R_OK);
      return statSync(text).isFile() ? text : undefined;
    } catch {
      return undefined;
    }
  },
};

export const endpoint: Parser<string> = {
  accepts: 'http://host:port, https://host:port, unix:///path or host:port',
  parse: (text) => {
    if (/^unix:\/\/\/./.test(text)) return text;
    // Another form of a unix socket is no host with a user.
    if (/^unix(-abstract)?:(?!\d+$)/i.test(text)) return undefined;
    const url = /^[a-z]+:\/\//i.test(text) ? text : `https://${text}`;
    return /^https?:\/\//i.test(url) && URL.canParse(url) ? text : undefined;
  },
};

/** A receiver of OTLP over HTTP; the scheme is required. */
export const httpEndpoint: Parser<string> = {
  accepts: 'http://host:port/path, https://host:port/path, unix:///path or unix-abstract:name',
  parse: (text) => {
    if (/^unix:\/\/\/.|^unix-abstract:./.test(text)) return text;
    if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return undefined;
    const { username, password } = new URL(text);
    return decodePercent(username) === undefined || decodePercent(password) === undefined
      ? undefined
      : text;
  },
};

/** A URL without path, user or anything else behind host and port. */
export function origin(...schemes: readonly string[]): Parser<string> {
  return {
    accepts: schemes.map((scheme) => `${scheme}://host:port`).join(' or '),
    parse: (text) => {
      const [, scheme = '', rest = ''] = /^([a-z]+):\/\/([^/?#@\s]+)\/?$/i.exec(text) ?? [];
      const isOne = schemes.includes(scheme.toLowerCase()) && /:\d+$/.test(rest);
      return isOne && URL.canParse(text) ? text : undefined;
    },
  };
}

export const address: Parser<ListenAddress> = {
  accepts: 'host:port, unix:/path, abns@name, abnsz@name or fd:N',
  parse: (text) => {
    const unix = /^unix:(\/.+)$/.exec(text)?.[1];
    if (unix !== undefined) return { kind: 'unix', path: unix };
    const [, unpadded, name] = ABSTRACT.exec(text) ?? [];
    if (name !== undefined) return { kind: 'abstract', name, padded: unpadded === '' };
    const fd = /^fd:(\d{1,6})$/.exec(text)?.[1];
    if (fd !== undefined) return { kind: 'fd', fd: Number(fd) };
    const { host, port } = parseHostAndPort(text) ?? {};
    return host === undefined || port === undefined ? undefined : tcp(host, port);
  },
};

export function tcp(host: string, port: number): ListenAddress {
  return { kind: 'tcp', host, port };
}

export const addressOrOff: Parser<ListenAddress | 'off'> = {
  accepts: `${address.accepts}, or off`,
  parse: (text) => (text.toLowerCase() === 'off' ? 'off' : address.parse(text)),
};

export const hostNames: Parser<readonly string[]> = {
  accepts: 'a list of host names without ports, separated by commas,',
  parse: (text) => {
    const names = text.split(',').map((name) => name.trim().toLowerCase());
    return names.every((name) => /^[a-z0-9_]([a-z0-9._-]{0,252})$/.test(name)) ? names : undefined;
  },
};

/** The address of a trace in a tracing backend's UI. */
export const traceUrlTemplate: Parser<string> = {
  accepts: 'an http:// or https:// address with {traceId} in it',
  parse: (text) => {
    const url = text.replaceAll('{traceId}', '0'.repeat(32));
    return url !== text && /^https?:\/\//i.test(url) && URL.canParse(url) ? text : undefined;
  },
};
/** Undefined where the text is not percent-encoded. */
export function decodePercent(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
