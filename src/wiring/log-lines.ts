import { isIP } from 'node:net';
import { haproxyAddress } from '../haproxy/addresses.ts';
import type { ListenAddress } from '../listen-address.ts';
import {
  quoted,
  RESPONSE_SIZES,
  replyRules,
  ruleLine,
  SAMPLED_MESSAGE,
  SHORTEST_ERROR_FORMAT,
  SHORTEST_FORMAT,
  STOPPING_MESSAGE,
  structuredData,
} from '../records/format.ts';
import { JSON_LOG } from '../records/json-log.ts';
import { withAttributes, withReplyAttributes } from './attributes.ts';
import type { Circumstances } from './circumstances.ts';
import { SILENT } from './levels.ts';
import type { ServerTls, WiringOptions } from './options.ts';
import type { Reporting, Side } from './reporting.ts';
import { shareSettings } from './sampling-rules.ts';

/** A record by its kind, and whether its hop may have been reported before: what a profile and a variable is named by. */
type Variant = { readonly kind: 'http' | 'tcp'; readonly reply: boolean };

const nameOf = ({ kind, reply }: Variant): string =>
  kind === 'tcp' ? 'tcp' : reply ? 'replied' : 'http';

function variantOf({ kind }: Reporting, { replies }: Side): Variant {
  return { kind, reply: replies !== 'none' };
}

const ALONE = [
  `log-format ${quoted(SHORTEST_FORMAT)}`,
  `error-log-format ${quoted(SHORTEST_ERROR_FORMAT)}`,
  ...['no option dontlog-normal', 'no option logasap'],
];

/** How one proxy reports its hops. */
export function loggingLines(
  reporting: Reporting,
  options: WiringOptions,
  length: number,
): string[] {
  const json =
    options.jsonLog && reporting.kind === 'http' ? [`log-format "\${OTEL_ACCESS_LOG}"`] : [];
  const format = reporting.isAlone ? ALONE : json;
  const since = [
    ...replyLines(reporting.since, options),
    ...profileLines(reporting, options, length),
  ];
  const before = [
    ...replyLines(reporting.before, options),
    ...formatLines(reporting, options, length),
  ];
  const isSame = since.join('\n') === before.join('\n');
  return [
    ...format,
    ...(isSame ? since : ['.if version_atleast(3.1)', ...since, '.else', ...before, '.endif']),
  ];
}

function replyLines({ replies }: Side, { attributes }: WiringOptions): readonly string[] {
  switch (replies) {
    case 'none':
      return [];
    case 'all':
      return withReplyAttributes(replyRules('otel').map(ruleLine), attributes);
    case 'normal':
      return withReplyAttributes(
        replyRules('otel', ['! { status ge 500 }']).map(ruleLine),
        attributes,
      );
    case 'silenced':
      return withReplyAttributes(
        replyRules('otel', [`{ var(${SILENT}) -m found }`]).map(ruleLine),
        attributes,
      );
    default:
      return replies satisfies never;
  }
}

function profileLines(reporting: Reporting, options: WiringOptions, length: number): string[] {
  if (!reporting.since.line) return [];
  const name = nameOf(variantOf(reporting, reporting.since));
  return [
    `log ring@otel len ${length} format rfc5424 profile otel-${name} local0`,
    ...datagramOf(options).map(
      (address) =>
        `log ${address} len ${length} format rfc5424 profile otel-${name}-stopping local0`,
    ),
  ];
}

function formatLines(reporting: Reporting, options: WiringOptions, length: number): string[] {
  if (!reporting.before.line) return [];
  const name = nameOf(variantOf(reporting, reporting.before));
  return [
    `log ring@otel len ${length} format rfc5424 local0`,
    ...datagramOf(options).map(
      (address) => `log ${address} len ${length} format rfc5424 local0 warning`,
    ),
    // Replies of HAProxy's own pass no rule that could raise their level: failures have one by themselves then.
    ...(reporting.isLevelFree ? ['option log-separate-errors'] : []),
    `log-format-sd "\${OTEL_RECORD_${name.toUpperCase()}}"`,
  ];
}

/** What HAProxy logs of a backend has no record, and needs no profile. */
export function stateLines(length: number): string[] {
  return [`log ring@otel len ${length} format rfc5424 local0`];
}

/** Where a process that is stopping sends to: such a listener of the agent receives datagrams on the same port. */
function datagramOf({ records, tls }: WiringOptions): string[] {
  return records.kind === 'tcp' && tls === undefined ? [haproxyAddress(records)] : [];
}

/** Of a `server` line, with the name that the agent's certificate has to have where the address is one. */
function serverAddress(address: ListenAddress, tls: ServerTls | undefined): string {
  const server = haproxyAddress(address);
  if (tls === undefined || address.kind !== 'tcp') return server;
  const name = isIP(address.host) === 0 ? ` verifyhost ${address.host}` : '';
  return `${server} ssl crt ${tls.crt} ca-file ${tls.caFile} verify required${name}`;
}

/** Lines that HAProxy loads once: formats of records, the ring, and the agent's addresses. */
export function sharedLines(
  targets: readonly Traced[],
  options: WiringOptions,
  length: number,
): string[] {
  const reportings = targets.map(({ reporting }) => reporting);
  const has = (what: 'isHeldUp' | 'isCompressed'): boolean =>
    targets.some(
      ({ reporting, circumstances }) => reporting.kind === 'http' && circumstances[what],
    );
  const before = variants(
    reportings.filter((each) => each.before.line).map((each) => variantOf(each, each.before)),
  );
  const since = variants(
    reportings.filter((each) => each.since.line).map((each) => variantOf(each, each.since)),
  );
  const steps = [...new Set(targets.flatMap(({ circumstances }) => circumstances.steps))];
  const reads = new Set(options.propagators.flatMap((name) => READS[name] ?? []));
  const settings = [
    ...[...reads].map((name) => `    setenv ${name} on`),
    ...(options.ratio === undefined
      ? []
      : shareSettings(options.ratio).map((line) => `    ${line}`)),
    ...(has('isHeldUp') ? ['    setenv OTEL_WAIT on'] : []),
    ...(has('isCompressed') ? RESPONSE_SIZE : []),
    ...(options.jsonLog ? [`    setenv OTEL_ACCESS_LOG ${quoted(JSON_LOG)}`] : []),
    ...before.map(
      (variant) =>
        `    setenv OTEL_RECORD_${nameOf(variant).toUpperCase()} ${quoted(withAttributes(structuredData(variant.kind, 'format', { reply: variant.reply }), options.attributes, variant.kind))}`,
    ),
  ];
  return [
    ...(settings.length === 0 ? [] : ['global', ...settings, '']),
    ...ring(options, length),
    '',
    ...agents(options),
    ...(since.length === 0
      ? []
      : [
          '',
          '.if version_atleast(3.1)',
          ...since.flatMap((variant) => profiles(variant, options, steps)),
          '.endif',
        ]),
  ];
}

/** A proxy with lines of its own. */
type Traced = { readonly reporting: Reporting; readonly circumstances: Circumstances };

const RESPONSE_SIZE = [
  '    .if version_atleast(3.3)',
  `    setenv OTEL_RESPONSE_SIZE '${RESPONSE_SIZES.since}'`,
  '    .else',
  `    setenv OTEL_RESPONSE_SIZE '${RESPONSE_SIZES.before}'`,
  '    .endif',
];

/** The engine asks for what a format needs where this is set. */
const READS: Readonly<Record<string, string>> = {
  b3: 'OTEL_B3',
  b3multi: 'OTEL_B3',
  jaeger: 'OTEL_JAEGER',
  xray: 'OTEL_XRAY',
};

function variants(all: readonly Variant[]): Variant[] {
  return [...new Map(all.map((variant) => [nameOf(variant), variant])).values()];
}

function ring({ records, tls }: WiringOptions, length: number): string[] {
  const address = serverAddress(records, tls);
  return [
    'ring otel',
    '    format rfc5424',
    `    maxlen ${length}`,
    '    size 67108864',
    '    timeout connect 1s',
    '    timeout server 10s',
    // A connection that lived for 24.8 days is the last one on some versions. From 3.1 on HAProxy itself can renew it.
    '    .if version_atleast(3.1)',
    `    server agent ${address} max-reuse 5000000`,
    // 2.8 to 3.0 never reconnect an octet-counted ring whose receiver was restarted.
    '    .elif version_atleast(2.8)',
    `    server agent ${address}`,
    '    .else',
    `    server agent ${address} log-proto octet-count`,
    '    .endif',
  ];
}

/** Requests wait for an agent that is down only until HAProxy has noticed. */
function agents({ spop, tls }: WiringOptions): string[] {
  return [
    'backend otel-agents',
    '    .if version_atleast(3.1)',
    '    mode spop',
    '    .else',
    '    mode tcp',
    '    .endif',
    '    option spop-check',
    '    timeout check 500ms',
    '    timeout connect 1s',
    '    timeout server 3m',
    `    server agent ${serverAddress(spop, tls)} check inter 1s fastinter 200ms downinter 200ms fall 2 rise 1 observe layer4 error-limit 1 on-error mark-down`,
  ];
}

function profiles(variant: Variant, options: WiringOptions, steps: readonly string[]): string[] {
  // Lines that are not that of the end would be records, too.
  const dropped = steps.map((step) => `    on ${step} drop`);
  const { kind, reply } = variant;
  const name = `otel-${nameOf(variant)}`;
  const sd = (stopping: boolean, error: boolean): string =>
    `sd ${quoted(withAttributes(structuredData(kind, 'profile', { reply, stopping, error }), options.attributes, kind))}`;
  const message = `format "${STOPPING_MESSAGE}"`;
  const stopping =
    datagramOf(options).length > 0
      ? [
          `log-profile ${name}-stopping`,
          `    on error ${message} ${sd(true, true)}`,
          `    on any ${message} ${sd(true, false)}`,
          ...dropped,
        ]
      : [];
  return [
    `log-profile ${name}`,
    `    on error ${sd(false, true)}`,
    `    on any ${options.onlySampled && kind === 'http' ? `format "${SAMPLED_MESSAGE}" ` : ''}${sd(false, false)}`,
    ...dropped,
    ...stopping,
  ];
}
