import type { LogPart } from '../haproxy/log-format.ts';

export type LogValue = Exclude<LogPart, { kind: 'text' }>;

/** Variables of log formats that are a number, whatever happens. */
const NUMBERS = new Set(
  'ST Ts ms Th Ti TR Tw Tc Tr Td Ta Tt Tq Tu U B ac fc bc sc sq bq lc rt pid'.split(' '),
);

/** Those that hold text as the client sent it. `"` is encoded in some, a backslash in none. */
const OF_CLIENTS = new Set('HP HPO HQ HU r hr hrl hs hsl CC CS ID'.split(' '));

/** Sample fetches that are a number for every line. */
const NUMBER_FETCHES = new Set(
  (
    'date request_date accept_date stopping fc_http_major rand int bool ssl_fc nbsrv fe_conn be_conn act_conn ' +
    'fe_req_rate be_sess_rate thread nbthread nbproc proc pid uptime bytes_in bytes_out'
  ).split(' '),
);

/** Sample fetches of text from clients, and from servers, that may have any character in it. */
const TEXT_FETCH =
  /^(req\.(?!hdr_cnt|fhdr_cnt|hdr_val|timer|ver|proto|bytes_)|res\.f?hdr$|path|pathq|url|urlp|base|query|cookie|hdr$|fhdr|capture\.(req|res)\.hdr|capture\.req\.uri|method$|ssl_fc_sni|ssl_c_|http_auth_user|fc_pp_|unique-id|req_ssl_sni|shdr|scook)/;

/** Converters behind which nothing is left that JSON minds. */
const SAFE_CONVERTER =
  /^(json|url_enc|base64|ub64enc|hex|hex2i|sha1|sha2|crc32c?|djb2|sdbm|wt6|xxh\d+|length|bool|count|strcmp|ltime|utime|http_date|ipmask|add|and|or|xor|mul|div|mod|mult|neg|not|cpl|even|odd)$/;

/** Bytes of values whose length is known. */
const WIDTHS: Readonly<Record<string, number>> = {
  'var(txn.otel.hop)': 86,
  'date(0,us)': 16,
  'request_date(us)': 16,
  Ts: 10,
  ms: 3,
  ST: 3,
  HM: 3,
  ci: 7,
  cp: 5,
  sp: 2,
  tsc: 4,
  ts: 2,
};

/** Bytes of a path or a short header, and of names, addresses and numbers. */
const TEXT_WIDTH = 16;
const NAME_WIDTH = 4;

/** How many bytes a value usually takes, as far as that can be said. */
export function widthOf({ name, kind }: LogValue): number {
  const known = WIDTHS[name];
  if (known !== undefined) return known;
  if (kind === 'variable') return OF_CLIENTS.has(name) ? TEXT_WIDTH : NAME_WIDTH;
  const { fetch, args } = cutExpression(name);
  const cut = /,bytes\(\d+,(\d+)\)$/.exec(name)?.[1];
  if (cut !== undefined) return Number(cut);
  const isText = TEXT_FETCH.test(fetch) || (fetch === 'var' && args.length === 1);
  return isText ? TEXT_WIDTH : NAME_WIDTH;
}

/** A number without quotes around it, whatever becomes of the request. */
export function isNumber(value: LogValue): boolean {
  if (value.kind === 'variable') return NUMBERS.has(value.name);
  const { fetch, args } = cutExpression(value.name);
  // With a default value.
  if (fetch === 'var') return args.length > 1;
  return NUMBER_FETCHES.has(fetch);
}

/** Whether an expression may have characters in it that end a JSON string. @param ofVariable asks it of a variable */
export function isUnescaped(
  value: Pick<LogValue, 'kind' | 'name'>,
  ofVariable: (name: string) => boolean,
): boolean {
  if (value.kind === 'variable') return OF_CLIENTS.has(value.name);
  const { fetch, args, converters } = cutExpression(value.name);
  if (converters.some((name) => SAFE_CONVERTER.test(name))) return false;
  return fetch === 'var' ? ofVariable(args[0] ?? '') : TEXT_FETCH.test(fetch);
}

export function hasSafeConverter(expression: string): boolean {
  return cutExpression(expression).converters.some((name) => SAFE_CONVERTER.test(name));
}

type Expression = {
  readonly fetch: string;
  readonly args: readonly string[];
  readonly converters: readonly string[];
};

/** `req.hdr(host),lower,json(utf8s)`: what is fetched, and the names of what it goes through. */
export function cutExpression(text: string): Expression {
  const parts = [...text.matchAll(/([\w.-]+)(?:\(((?:[^()]|\([^()]*\))*)\))?(?:,|$)/g)];
  const [first, ...rest] = parts;
  return {
    fetch: first?.[1] ?? '',
    args: first?.[2]?.split(',') ?? [],
    converters: rest.map(([, name = '']) => name),
  };
}
