import type { ProxySection } from '../haproxy/proxies.ts';
import {
  httpRules,
  type Noted,
  noted,
  noteRule,
  ruleLine,
  SILENT_RULE,
  TCP_RULES,
} from '../records/format.ts';
import { attributeRules } from './attributes.ts';
import { type Circumstances, REQUEST_ID_HEADER } from './circumstances.ts';
import { SILENT } from './levels.ts';
import type { HeaderFormat, TrustPolicy, WiringOptions } from './options.ts';
import type { Reporting } from './reporting.ts';
import {
  CALLER,
  CONTINUED_CALLER,
  NEW_TRACE,
  OWN_TRACES,
  TRACEPARENT_HEADER,
} from './sampling-rules.ts';

/** The rules of one proxy, by the two places where HAProxy wants them: all of the first run before the second. */
export type Rules = { readonly tcp: readonly string[]; readonly http: readonly string[] };

const PRIVATE = 'src 127.0.0.0/8 ::1 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16';

/** The trust policy of a proxy: addresses are trusted only where they are the client's. */
export function trustOf(proxy: ProxySection, { trust }: WiringOptions): TrustPolicy {
  if (trust !== undefined) return trust;
  const isHidden = proxy.statements.some(
    ({ words }) => words[0] === 'http-request' && words[1] === 'set-src',
  );
  return isHidden ? 'restart' : 'private';
}

export function rulesOf(
  proxy: ProxySection,
  reporting: Reporting,
  options: WiringOptions,
  circumstances: Circumstances,
): Rules {
  if (reporting.kind === 'tcp') return { tcp: TCP_RULES.map(ruleLine), http: [] };
  const { ratio } = options;
  const all = httpRules(notedOf(circumstances));
  const recorded = (isTcp: boolean): string[] =>
    all.filter(({ phase }) => phase.startsWith('tcp-') === isTcp).map(ruleLine);
  return {
    tcp: [
      ...trustRules(trustOf(proxy, options), ratio !== undefined),
      ...(ratio === undefined ? [] : [...NEW_TRACE, CALLER]),
      // The engine has the same where it asks: without a line of the others nobody reads theirs.
      ...(options.onlySampled && ratio !== undefined ? [] : recorded(true)),
    ],
    http: [
      ...(ratio === undefined
        ? [
            ...recorded(false),
            ...[ANSWERED, FOLLOW, ...continuing(), CONTINUED_TRACE, ...SAMPLED_TRACES, TRACEPARENT],
          ]
        : [
            ...[
              FOLLOW,
              ...UNASKED,
              ...continuing('otel_caller '),
              ...OWN_TRACES,
              ...CONTINUED_CALLER,
            ],
            ...(options.onlySampled ? recorded(false).map(unlessUnsampled) : recorded(false)),
          ]),
      ratio === undefined ? ANSWERED_HEADER : TRACEPARENT_HEADER,
      ...HEADERS,
      ...options.propagators.flatMap((name) => FORMAT_RULES[name]),
      ...requestIdRules(circumstances, options),
      ...(options.jsonLog ? [requestIdOf(circumstances)] : []),
      ...(circumstances.isStatusSet ? [ruleLine(noteRule('http-response', 'server_status'))] : []),
      ...attributeRules(options.attributes),
      ...levelRules(reporting, options),
      ...sampledLineRules(reporting, options),
    ],
  };
}

/** Of what failed the target is enough. Without lines of the others, what comes behind knows them by it. */
function unlessUnsampled(rule: string): string {
  return rule.startsWith('http-request set-var-fmt(') ? `${rule} unless otel_unkept` : rule;
}

/** Where HAProxy decides, who is not trusted needs no rule: the engine has that by itself. */
function trustRules(trust: TrustPolicy, isDecided: boolean): string[] {
  if (trust === 'continue') return ['tcp-request content set-var(txn.otel.trust) str(continue)'];
  if (trust === 'restart' || trust === 'ignore') {
    return [`tcp-request content set-var(txn.otel.trust) str(${trust})`];
  }
  return [
    ...(trust === 'private' ? [PRIVATE] : trustedBy(trust)).map((by) => `acl otel_trusted ${by}`),
    'tcp-request content set-var(txn.otel.trust) str(continue) if otel_trusted',
    ...(isDecided
      ? []
      : ['tcp-request content set-var(txn.otel.trust) str(restart) unless otel_trusted']),
  ];
}

/** A unix socket has no address: who comes over one is trusted by the name of its `bind` line. */
function trustedBy({ networks, binds }: Exclude<TrustPolicy, string>): string[] {
  return [
    ...(networks.length > 0 ? [`src ${networks.join(' ')}`] : []),
    ...(binds.length > 0 ? [`so_name ${binds.join(' ')}`] : []),
  ];
}

const FOLLOW = 'acl otel_follow   var(txn.otel.trust) -m str continue';

const ANSWERED = 'acl otel_answered var(txn.otel.hop) -m found';

/** The same where each request has a hop. */
const UNASKED = [
  'acl otel_answered var(txn.otel.traceparent) -m found',
  'acl otel_caller   var(txn.otel.caller) -m found',
];

/** HAProxy continues the trace itself, or starts one, where the agent did not answer. */
const continuing = (first = ''): string[] => [
  'acl otel_one      req.fhdr_cnt(traceparent) eq 1',
  'acl otel_form     req.fhdr(traceparent) -m reg ^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$',
  'acl otel_form     req.fhdr(traceparent) -m reg ^(0[1-9a-f]|[1-9a-e][0-9a-f]|f[0-9a-e])-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$',
  'acl otel_zero     req.fhdr(traceparent) -m reg ^..-0{32}- ^..-[0-9a-f]{32}-0{16}-',
  "acl otel_state    req.fhdr(tracestate) -m reg '^[a-z0-9][a-z0-9_*/@-]{0,255}=[ -+--<>-~]{0,255}[!-+--<>-~]([ ]*,[ ]*[a-z0-9][a-z0-9_*/@-]{0,255}=[ -+--<>-~]{0,255}[!-+--<>-~]){0,31}$'",
  `http-request set-var(txn.otel.tracestate) req.fhdr(tracestate) if ${first}!otel_answered otel_one otel_follow otel_form !otel_zero { req.fhdr_cnt(tracestate) eq 1 } { req.fhdr(tracestate) -m len 1:512 } otel_state`,
];

const CONTINUED_TRACE =
  'http-request set-var-fmt(txn.otel.hop) "%[req.fhdr(traceparent),bytes(3,32)]-%[uuid(),regsub(-,,g),bytes(16,16)]-0%[req.fhdr(traceparent),bytes(53,2),hex2i,and(3)]-%[uuid(),regsub(-,,g),bytes(16,16)]-%[req.fhdr(traceparent),bytes(36,16)]-h" if !otel_answered otel_one otel_follow otel_form !otel_zero';

const SAMPLED_TRACES = [
  'http-request set-var-fmt(txn.otel.hop) "%[uuid(),regsub(-,,g)]-%[uuid(),regsub(-,,g),bytes(16,16)]-02-%[uuid(),regsub(-,,g),bytes(16,16)]-h" if !otel_answered { var(txn.otel.ratio) -m str 0 }',
  'http-request set-var-fmt(txn.otel.hop) "%[uuid(),regsub(-,,g)]-%[uuid(),regsub(-,,g),bytes(16,16)]-03-%[uuid(),regsub(-,,g),bytes(16,16)]-h" if !otel_answered',
];

const TRACEPARENT =
  'http-request set-var-fmt(txn.otel.traceparent) "00-%[var(txn.otel.hop),bytes(0,32)]-%[var(txn.otel.hop),bytes(53,16)]-%[var(txn.otel.hop),bytes(50,2)]" unless { var(txn.otel.traceparent) -m found }';

const ANSWERED_HEADER = 'http-request set-header traceparent %[var(txn.otel.traceparent)]';

/** Headers of the client's are always replaced. */
const HEADERS = [
  'http-request del-header tracestate',
  'http-request set-header tracestate %[var(txn.otel.tracestate)] if { var(txn.otel.tracestate) -m found }',
  'http-request del-header baggage unless otel_follow',
];

/** A request with an id retains it; any other gets one made of its trace and span ids, where these are recorded. */
function requestIdRules({ requestId }: Circumstances, { onlySampled }: WiringOptions): string[] {
  switch (requestId) {
    case 'trace':
      return [
        ruleLine(
          noteRule('http-request', 'request_id', onlySampled ? `${NOTED} ${ONE_ID}` : ONE_ID),
        ),
        `http-request set-header ${REQUEST_ID_HEADER} %[var(txn.otel.hop),bytes(0,49)] unless ${onlySampled ? `! ${NOTED} or ${ONE_ID}` : ONE_ID}`,
      ];
    case 'unique':
      // HAProxy adds its own behind all rules, beside a client's: then the server has two.
      return [ruleLine(noteRule('http-request', 'request_id', ANY_ID, ''))];
    case 'rules':
      return [];
    default:
      return requestId satisfies never;
  }
}

/** For a log line of the user's. */
export const REQUEST_ID_READ = 'http-request set-var(txn.otel.request_id) req.fhdr(x-request-id)';

function requestIdOf({ requestId }: Circumstances): string {
  return requestId === 'unique'
    ? 'http-request set-var(txn.otel.request_id) unique-id'
    : REQUEST_ID_READ;
}

/** Of requests that are to have a line. */
const NOTED = '{ var(txn.otel.request) -m found }';
const ANY_ID = '{ req.fhdr_cnt(x-request-id) gt 0 }';
const ONE_ID = '{ req.fhdr_cnt(x-request-id) eq 1 } { req.fhdr(x-request-id) -m len 1:128 }';

/** Fields to note for each request, because rules of the user change them. */
function notedOf({ isHeldUp, isSourceSet, requestId }: Circumstances): Noted {
  return {
    ...(isHeldUp && { wait: noted('wait') }),
    ...(isSourceSet && { peer_address: noted('peer_address'), peer_port: noted('peer_port') }),
    // Where nobody sets it there is none.
    ...(requestId === 'rules' && { request_id: '' }),
    ...(requestId === 'unique' && { request_id: '%{+E}[unique-id]' }),
  };
}

/** Headers of other formats agree with traceparent, also while the agent is away. */
const FORMAT_RULES: Readonly<Record<HeaderFormat, readonly string[]>> = {
  tracecontext: [],
  baggage: [],
  b3: [
    'http-request del-header x-b3- -m beg',
    'http-request set-header b3 "%[var(txn.otel.hop),bytes(0,32)]-%[var(txn.otel.hop),bytes(53,16)]-%[var(txn.otel.hop),bytes(51,1),hex2i,and(1)]"',
    'http-request set-header b3 "%[var(txn.otel.hop),bytes(0,32)]-%[var(txn.otel.hop),bytes(53,16)]-d" if { var(txn.otel.hop) -m end -- -d }',
  ],
  b3multi: [
    'http-request del-header b3',
    'http-request del-header x-b3- -m beg',
    'http-request set-header x-b3-traceid %[var(txn.otel.hop),bytes(0,32)]',
    'http-request set-header x-b3-spanid  %[var(txn.otel.hop),bytes(53,16)]',
    'http-request set-header x-b3-sampled %[var(txn.otel.hop),bytes(51,1),hex2i,and(1)] unless { var(txn.otel.hop) -m end -- -d }',
    'http-request set-header x-b3-flags   1 if { var(txn.otel.hop) -m end -- -d }',
  ],
  jaeger: [
    'http-request del-header jaeger-debug-id',
    'http-request del-header jaeger-baggage unless otel_follow',
    'http-request del-header uberctx- -m beg unless otel_follow',
    'http-request set-header uber-trace-id "%[var(txn.otel.hop),bytes(0,32)]:%[var(txn.otel.hop),bytes(53,16)]:0:%[var(txn.otel.hop),bytes(51,1),hex2i,and(1)]"',
    'http-request set-header uber-trace-id "%[var(txn.otel.hop),bytes(0,32)]:%[var(txn.otel.hop),bytes(53,16)]:0:3" if { var(txn.otel.hop) -m end -- -d }',
  ],
  xray: [
    'http-request set-header x-amzn-trace-id "Root=1-%[var(txn.otel.hop),bytes(0,8)]-%[var(txn.otel.hop),bytes(8,24)];Parent=%[var(txn.otel.hop),bytes(53,16)];Sampled=%[var(txn.otel.hop),bytes(51,1),hex2i,and(1)]"',
  ],
};

/** Rules that exclude other lines from the ring. */
function sampledLineRules(reporting: Reporting, { onlySampled }: WiringOptions): string[] {
  return onlySampled && reporting.isAlone && reporting.before.line
    ? ['.if version_before(3.1)', ruleLine(SILENT_RULE), '.endif']
    : [];
}

/** Before 3.1 a process that is stopping sends what has this level as a datagram, its ring being closed. */
function levelRules(reporting: Reporting, { records, throughReload }: WiringOptions): string[] {
  if (records.kind !== 'tcp' || !reporting.before.line) return [];
  const heard = reporting.before.replies === 'none' ? '' : ` !{ var(${SILENT}) -m found }`;
  const long =
    throughReload || reporting.isLevelFree
      ? [
          `http-response set-log-level warning if ! { res.hdr_val(content-length) le 65536 } ! { status 204 304 }${heard}`,
        ]
      : [];
  return [
    '.if version_before(3.1)',
    'http-request set-log-level warning if { stopping }',
    `http-response set-log-level warning if { stopping }${heard}`,
    ...long,
    '.endif',
  ];
}
