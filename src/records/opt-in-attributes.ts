import { registeredCipher } from './cipher.ts';
import type { AttributeValue } from './record.ts';
import { type Kind, MISSING } from './table.ts';

/** Span attributes that are not in every record: `add --attributes` puts them in. docs/more-attributes.md explains each. */
export const OPT_IN_GROUPS = ['tls', 'rule', 'cache', 'rtt', 'grpc'] as const;
export type OptInGroup = (typeof OPT_IN_GROUPS)[number];

export const OptInAttribute = {
  TLS_VERSION: 'tls.protocol.version',
  TLS_CIPHER: 'tls.cipher',
  TLS_SERVER_NAME: 'tls.client.server_name',
  RULE_FILE: 'haproxy.rule.file',
  RULE_LINE: 'haproxy.rule.line',
  CACHE_HIT: 'haproxy.cache.hit',
  CLIENT_RTT: 'haproxy.client.rtt_us',
  RPC_SYSTEM: 'rpc.system.name',
  RPC_METHOD: 'rpc.method',
  RPC_METHOD_ORIGINAL: 'rpc.method_original',
  RPC_STATUS: 'rpc.status_code',
} as const;

type Attributes = Record<string, AttributeValue>;

/** How a choice gets into a record: as a parameter beside the user's own. */
type OptInFormat = {
  /** Kinds of records that have it. */
  readonly kinds: readonly Kind[];
  readonly parameter: string;
  /** When the line is written. */
  readonly format: string;
  /** When the headers of a reply go out, where that is another. */
  readonly reply?: string;
  /** Rules of a proxy with `mode http` that note what is gone by then. */
  readonly rules?: readonly string[];
};

/** What a client or server controls is escaped, and stands last: there may be spaces in it. */
export const OPT_IN_FORMATS: Readonly<Record<OptInGroup, OptInFormat>> = {
  tls: {
    kinds: ['http', 'tcp'],
    parameter: 'otel.tls',
    format: '%[ssl_fc_protocol] %[ssl_fc_cipher] %{+E}[ssl_fc_sni]',
  },
  rule: {
    kinds: ['http'],
    parameter: 'otel.rule',
    format: '%tsc %s %[last_rule_line] %{+E}[last_rule_file]',
    reply: '%ST %s %[last_rule_line] %{+E}[last_rule_file]',
  },
  cache: { kinds: ['http'], parameter: 'otel.cache', format: '%s' },
  rtt: {
    kinds: ['http', 'tcp'],
    parameter: `${OptInAttribute.CLIENT_RTT}:int`,
    format: '%[fc_rtt(us)]',
  },
  grpc: {
    kinds: ['http'],
    parameter: 'otel.grpc',
    format: '%{+E}[var(txn.otel.grpc_status)] %{+E}[var(txn.otel.grpc)]',
    rules: [
      'http-request set-var(txn.otel.grpc) path if { req.hdr(content-type) -m beg application/grpc }',
      'http-response set-var(txn.otel.grpc_status) res.hdr(grpc-status) if { var(txn.otel.grpc) -m found } { res.hdr_cnt(grpc-status) eq 1 }',
    ],
  },
};

/**
 * The attributes of a parameter whose value is more than one of them.
 *
 * @returns undefined for any other parameter
 */
export function optInAttributes(parameter: string, text: string): Attributes | undefined {
  return READERS.get(parameter)?.(text);
}

const READERS: ReadonlyMap<string, (text: string) => Attributes> = new Map([
  [OPT_IN_FORMATS.tls.parameter, readTls],
  [OPT_IN_FORMATS.rule.parameter, readRule],
  [OPT_IN_FORMATS.cache.parameter, readCache],
  [OPT_IN_FORMATS.grpc.parameter, readGrpc],
]);

/** Where nothing was negotiated OpenSSL has a version all the same. */
function readTls(text: string): Attributes {
  const [protocol = '', cipher = '', name = ''] = wordsOf(text, 3);
  if (cipher === '' || cipher === '(NONE)') return {};
  return {
    ...(/^TLSv/.test(protocol) && { [OptInAttribute.TLS_VERSION]: versionOf(protocol) }),
    [OptInAttribute.TLS_CIPHER]: registeredCipher(cipher),
    ...(name !== '' && { [OptInAttribute.TLS_SERVER_NAME]: name }),
  };
}

/** `TLSv1` is 1.0. */
function versionOf(protocol: string): string {
  const version = protocol.slice('TLSv'.length);
  return version.includes('.') ? version : `${version}.0`;
}

const SERVICE_UNAVAILABLE = '503';

/**
 * The last rule that ended the evaluation of others is that which answered only where one answered: of a request that a
 * server got it is an "allow", and with no server to be had it is whatever it was.
 */
function readRule(text: string): Attributes {
  const [end = '', server = '', line = '', file = ''] = wordsOf(text, 4);
  if (!/^\d+$/.test(line) || file === '') return {};
  const isReply = /^\d+$/.test(end);
  const answered = isReply
    ? server.startsWith('<') && end !== SERVICE_UNAVAILABLE
    : end[0] === 'P' || end[0] === 'L';
  if (!answered) return {};
  return { [OptInAttribute.RULE_FILE]: file, [OptInAttribute.RULE_LINE]: Number(line) };
}

function readCache(text: string): Attributes {
  return text === '<CACHE>' ? { [OptInAttribute.CACHE_HIT]: true } : {};
}

const METHOD = /^\/([^/]+\/[^/]+)$/;
const UNIMPLEMENTED = 12;
/** By their numbers, as gRPC's specification of status codes has them. */
const STATUS_CODES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];

/** A method that its server does not know, or that is none, has no name that the conventions want to see. */
function readGrpc(text: string): Attributes {
  const [status = '', path = ''] = wordsOf(text, 2);
  if (path === '') return {};
  const method = METHOD.exec(path)?.[1];
  const code = /^\d{1,2}$/.test(status) ? Number(status) : undefined;
  const isKnown = method !== undefined && code !== UNIMPLEMENTED;
  return {
    [OptInAttribute.RPC_SYSTEM]: 'grpc',
    [OptInAttribute.RPC_METHOD]: isKnown ? method : '_OTHER',
    ...(isKnown ? {} : { [OptInAttribute.RPC_METHOD_ORIGINAL]: method ?? path }),
    ...(code !== undefined && { [OptInAttribute.RPC_STATUS]: STATUS_CODES[code] ?? status }),
  };
}

/** The first words, of which the last is all that is left; empty for what is missing. */
function wordsOf(text: string, count: number): string[] {
  const words = text.split(' ');
  const all = [...words.slice(0, count - 1), words.slice(count - 1).join(' ')];
  return all.map((word) => (word === MISSING ? '' : word));
}
