import { VERSION } from '../haproxy/chain.ts';
import { replacing, without } from './run-check.ts';

const atLeast = (major: number, minor: number): boolean => {
  const [, a = '', b = ''] = /version (\d+)\.(\d+)/.exec(VERSION) ?? [];
  return Number(a) > major || (Number(a) === major && Number(b) >= minor);
};

export type Edit = (text: string) => string;
export const both =
  (...edits: readonly Edit[]): Edit =>
  (text) =>
    edits.reduce((edited, edit) => edit(edited), text);
export const asIs: Edit = (text) => text;

/** In the frontend for HTTP, whose log lines come first. */
export const httpFormat = /log-format "\{\$\{OTEL_RECORD\}\}"/;

const PLAIN = `    mode http
    option dontlognull
    timeout connect 2s
    timeout client 30s
    timeout server 5s
`;

/** What is broken, the configuration, the engine, and the one thing that is found and where. */
export type Case = readonly [what: string, config: Edit, engine: Edit, found: string];

export const CASES: readonly Case[] = [
  ['no filter', without(/^ *filter spoe/), asIs, 'filter-missing at frontend www'],
  [
    'the filter twice',
    replacing(/( *filter spoe.*\n)/, '$1$1'),
    asIs,
    'filter-twice at filter spoe engine otel config FOLDER/otel.conf',
  ],
  [
    'no engine file',
    replacing(/otel\.conf$/m, 'nowhere.conf'),
    asIs,
    'engine-file-missing at filter spoe engine otel config FOLDER/nowhere.conf',
  ],
  [
    'a path that depends on where HAProxy is started',
    replacing(/config .*otel\.conf$/m, 'config spoe/otel.conf'),
    asIs,
    'engine-file-relative at filter spoe engine otel config spoe/otel.conf',
  ],
  [
    'another name for the engine',
    asIs,
    replacing(/^\[otel\]/m, '[tracing]'),
    'engine-missing at filter spoe engine otel config FOLDER/otel.conf',
  ],
  [
    'another prefix',
    asIs,
    replacing('option var-prefix otel', 'option var-prefix tracing'),
    'engine-prefix at option var-prefix tracing',
  ],
  [
    'the message left out',
    asIs,
    replacing('messages mint tracestates', 'messages tracestates'),
    'engine-message-missing at spoe-agent otel',
  ],
  [
    'asked in the backend',
    asIs,
    replacing('event on-frontend-http-request\n', 'event on-backend-http-request\n'),
    'engine-event at event on-backend-http-request',
  ],
  [
    'the engine of an older version',
    asIs,
    without(/set-process-time/),
    'agent-wait-unbounded at spoe-agent otel',
  ],
  [
    'the agent not told of trust',
    asIs,
    replacing(' trust=var(txn.otel.trust)', ''),
    'engine-trust-missing at spoe-message mint',
  ],
  [
    'no timeout processing',
    asIs,
    without(/timeout processing/),
    'engine-processing-timeout at spoe-agent otel',
  ],
  [
    'a long timeout processing',
    asIs,
    replacing('timeout processing 50ms', 'timeout processing 2s'),
    'engine-processing-timeout-long at timeout processing 2s',
  ],
  [
    'hops told by SPOE too',
    asIs,
    both(
      replacing('messages mint tracestates', 'messages mint tracestates finish'),
      (text) =>
        `${text}\nspoe-message finish\n    args end=date(0,us)\n    event on-http-response\n`,
    ),
    'engine-finish-twice at spoe-message finish',
  ],
  [
    'no backend for the agent',
    replacing('backend otel-agents', 'backend agents'),
    asIs,
    'agent-backend-missing at use-backend otel-agents',
  ],
  [
    'the agent spoken to in HTTP',
    replacing(
      /\.if version_atleast\(3\.1\)\s+mode spop\s+\.else\s+mode tcp\s+\.endif/,
      'mode http',
    ),
    asIs,
    'agent-backend-mode at mode http',
  ],
  [
    'no check',
    replacing(/ check inter.*/, ''),
    asIs,
    'agent-check-missing at server agent 127.0.0.1:12345',
  ],
  [
    'no spop-check',
    without(/option spop-check/),
    asIs,
    'agent-spop-check-missing at backend otel-agents',
  ],
  [
    'the agent not observed',
    replacing(' observe layer4 error-limit 1 on-error mark-down', ''),
    asIs,
    'agent-observe-missing at server agent 127.0.0.1:12345 check inter 1s fastinter 200ms downinter 200ms fall 2 rise 1',
  ],
  [
    "another port than the agent's",
    replacing('server agent 127.0.0.1:12345 check', 'server agent 127.0.0.1:12355 check'),
    asIs,
    'agent-port at server agent 127.0.0.1:12355 check inter 1s fastinter 200ms downinter 200ms fall 2 rise 1 observe layer4 error-limit 1 on-error mark-down',
  ],
  [
    'frames that the agent does not take',
    replacing('global\n', 'global\n    tune.bufsize 131072\n'),
    asIs,
    'frame-size at tune.bufsize 131072',
  ],
  [
    'a ring of another name',
    replacing('ring otel', 'ring tracing'),
    asIs,
    'ring-missing at log ring@otel len 16300 local0 info|ring-missing at log ring@otel len 16300 local0 info',
  ],
  [
    'a ring without a server',
    without(/server agent .*:12346/),
    asIs,
    'ring-server-missing at ring otel',
  ],
  [
    'a ring with two servers',
    replacing('backend otel-agents', '    server second 127.0.0.1:12346\nbackend otel-agents'),
    asIs,
    'ring-servers at server second 127.0.0.1:12346',
  ],
  [
    'another port for records',
    replacing(/server agent 127\.0\.0\.1:12346\n/, 'server agent 127.0.0.1:12355\n'),
    asIs,
    atLeast(2, 8) ? 'ring-port at server agent 127.0.0.1:12355' : '',
  ],
  ['a small ring', replacing('size 67108864', 'size 32768'), asIs, 'ring-size at size 32768'],
  [
    'lines cut by the ring',
    replacing('maxlen 16300', 'maxlen 600'),
    asIs,
    'ring-maxlen-small at maxlen 600',
  ],
  [
    "long lines cut by the ring's default",
    without(/maxlen 16300/),
    asIs,
    'ring-maxlen-short at ring otel',
  ],
  [
    'lines too long for a buffer',
    replacing('maxlen 16300', 'maxlen 65535'),
    asIs,
    'ring-maxlen-large at maxlen 65535',
  ],
  [
    'lines cut by the logger',
    replacing('log ring@otel len 16300', 'log ring@otel len 600'),
    asIs,
    'log-len-small at log ring@otel len 600 local0 info',
  ],
  [
    'no log line at all',
    replacing(/ *log ring@otel.*\n *log 127.*warning\n/, ''),
    asIs,
    'log-missing at frontend www',
  ],
  [
    'only failures logged',
    replacing('log ring@otel len 16300 local0 info', 'log ring@otel len 16300 local0 err'),
    asIs,
    'log-level at log ring@otel len 16300 local0 err',
  ],
  [
    'a part of the requests logged',
    replacing('log ring@otel len 16300 local0', 'log ring@otel len 16300 sample 1:10 local0'),
    asIs,
    'log-sample at log ring@otel len 16300 sample 1:10 local0 info',
  ],
  [
    'logged twice',
    replacing(/( *log ring@otel.*\n)/, '$1$1'),
    asIs,
    'log-twice at log ring@otel len 16300 local0 info',
  ],
  [
    'nothing for a process that is stopping',
    without(/log 127.* warning|set-log-level|log-separate/),
    asIs,
    'log-datagram-missing at log ring@otel len 16300 local0 info',
  ],
  [
    'datagrams as syslog',
    replacing('len 16300 format raw local0 warning', 'len 16300 format rfc5424 local0 warning'),
    asIs,
    'log-datagram-format at log 127.0.0.1:12346 len 16300 format rfc5424 local0 warning',
  ],
  [
    'datagrams to another port',
    replacing(
      'log 127.0.0.1:12346 len 16300 format raw local0 warning',
      'log 127.0.0.1:514 len 16300 format raw local0 warning',
    ),
    asIs,
    'log-port at log 127.0.0.1:514 len 16300 format raw local0 warning',
  ],
  [
    'no level raised when stopping',
    without(/http-request +set-log-level/),
    asIs,
    'log-datagram-rule-missing at log 127.0.0.1:12346 len 16300 format raw local0 warning',
  ],
  [
    'failures not told apart',
    without(/log-separate-errors/),
    asIs,
    'log-separate-errors-missing at log 127.0.0.1:12346 len 16300 format raw local0 warning',
  ],
  [
    'only failures logged, by option',
    replacing(
      'option log-separate-errors',
      'option log-separate-errors\n    option dontlog-normal',
    ),
    asIs,
    'log-normal-left-out at option dontlog-normal',
  ],
  [
    'some requests not logged',
    replacing(
      '    http-request deny',
      '    http-request set-log-level silent if { path /healthz }\n    http-request deny',
    ),
    asIs,
    'log-silent-undone at http-request set-log-level silent if { path /healthz }',
  ],
  [
    'some requests not logged, and said so',
    replacing(
      '    http-request deny',
      '    http-request set-log-level silent if { path /healthz }\n    http-request set-var(txn.otel.silent) bool(true) if { path /healthz }\n    http-request deny',
    ),
    asIs,
    'log-silent at http-request set-log-level silent if { path /healthz }',
  ],
  [
    'some responses of a backend not logged',
    replacing(
      '\nbackend app\n',
      '\nbackend app\n    http-response set-log-level silent if { status 200 }\n',
    ),
    asIs,
    'log-silent-undone at http-response set-log-level silent if { status 200 }',
  ],
  [
    'silenced behind the level of the response',
    replacing(
      '    http-request deny',
      '    http-response set-log-level silent if { status 404 }\n    http-request deny',
    ),
    asIs,
    'log-silent at http-response set-log-level silent if { status 404 }',
  ],
  [
    'probes logged',
    without(/option dontlognull/),
    asIs,
    'log-null at frontend www|log-null at frontend tcp',
  ],
  [
    "HAProxy's own log format",
    replacing(httpFormat, 'option httplog'),
    asIs,
    'log-format-missing at option httplog',
  ],
  [
    'a variable of the log format that is not set',
    without(/setenv OTEL_RECORD/),
    asIs,
    // The error format of the same frontend needs it too, and is not read.
    'log-format-unset at log-format "{$' + '{OTEL_RECORD}}"',
  ],
  [
    'requests logged as connections',
    replacing(httpFormat, 'log-format "{$${OTEL_TCP_RECORD}}"'),
    asIs,
    'log-format-mode at log-format "{$' + '{OTEL_TCP_RECORD}}"',
  ],
  [
    'connections logged as requests',
    replacing(
      /log-format "\{\$\{OTEL_TCP_RECORD\}\}"/,
      'log-format \'{"frontend":"%ft","end":%[date(0,us)],"stopping":%[stopping]}\'',
    ),
    asIs,
    'log-format-mode at log-format \'{"frontend":"%ft","end":%[date(0,us)],"stopping":%[stopping]}\'',
  ],
  [
    'the hop not handed back',
    replacing('"hop":"%[var(txn.otel.hop)]",', ''),
    asIs,
    'log-hop-missing at log-format "{$' + '{OTEL_RECORD}}"',
  ],
  [
    'no end',
    replacing(
      '"end":%[date(0,us)],"accepted":%Ts%ms,"received":%[var(txn.otel.received,0)],"answered"',
      '"accepted":%Ts%ms,"received":%[var(txn.otel.received,0)],"answered"',
    ),
    asIs,
    'log-field-missing at log-format "{$' + '{OTEL_RECORD}}"',
  ],
  [
    'a line that does not say that HAProxy is stopping',
    replacing(',"stopping":%[stopping]', ''),
    asIs,
    'log-stopping-missing at log-format "{$' + '{OTEL_RECORD}}"',
  ],
  [
    'a comma too many',
    replacing('"status":%ST,', '"status":%ST,,'),
    asIs,
    'log-json at log-format "{$' + '{OTEL_RECORD}}"',
  ],
  [
    'a value without quotes',
    replacing('"retries":"%rc"', '"retries":%rc'),
    asIs,
    'log-unquoted at log-format "{$' + '{OTEL_RECORD}}"',
  ],
  [
    'an attribute of clients that is not escaped',
    replacing(
      '# setenv OTEL_ATTRIBUTES \'"http.request.header.accept-language":["%[var(txn.otel.accept_language)]"]\'',
      'setenv OTEL_ATTRIBUTES \'"referer":"%[capture.req.hdr(0)]"\'',
    ),
    asIs,
    'log-unescaped at log-format "{$' + '{OTEL_RECORD}}"',
  ],
  [
    'a variable of clients that no rule escapes',
    without(/set-var\(txn\.otel\.pathq\) pathq,json/),
    asIs,
    'log-unescaped at log-format "{$' + '{OTEL_RECORD}}"',
  ],
  [
    'no error-log-format',
    without(/error-log-format "\{\$\{OTEL_ERROR\},\$\{OTEL_RECORD/),
    asIs,
    'error-log-format-missing at frontend www',
  ],
  [
    'traceparent not set',
    without(/set-header traceparent/),
    asIs,
    'header-missing at frontend www',
  ],
  [
    'traceparent added',
    replacing('set-header traceparent', 'add-header traceparent'),
    asIs,
    'header-added at http-request add-header traceparent %[var(txn.otel.traceparent)]',
  ],
  [
    'traceparent set too early',
    both(
      without(/set-header traceparent/),
      replacing(
        /( *acl otel_answered)/,
        '    http-request set-header Traceparent %[var(txn.otel.traceparent)]\n$1',
      ),
    ),
    asIs,
    'header-early at http-request set-header Traceparent %[var(txn.otel.traceparent)]',
  ],
  [
    'traceparent removed',
    replacing(
      /( *http-request set-header traceparent.*\n)/,
      '$1    http-request del-header traceparent\n',
    ),
    asIs,
    'header-removed at http-request del-header traceparent',
  ],
  [
    'the wait for the agent not measured',
    without(/set-var\(txn\.otel\.answered\)/),
    asIs,
    'agent-wait-missing at frontend www',
  ],
  [
    'traceparent kept from a server',
    replacing(
      'backend app\n    server',
      'backend app\n    http-request del-header traceparent\n    server',
    ),
    asIs,
    'header-withheld at http-request del-header traceparent',
  ],
  [
    'traceparent set at times',
    replacing(/(set-header traceparent .*)/, '$1 if { var(txn.otel.traceparent) -m found }'),
    asIs,
    'header-conditional at http-request set-header traceparent %[var(txn.otel.traceparent)] if { var(txn.otel.traceparent) -m found }',
  ],
  [
    'tracestate left alone',
    without(/-header tracestate/),
    asIs,
    'tracestate-missing at http-request set-header traceparent %[var(txn.otel.traceparent)]',
  ],
  [
    'nothing for an agent that is away',
    without(/set-var-fmt\(txn\.otel\.hop\)/),
    asIs,
    'fallback-missing at http-request set-header traceparent %[var(txn.otel.traceparent)]',
  ],
  [
    'trust decided too late',
    both(
      without(/tcp-request content set-var\(txn\.otel\.trust\)/),
      replacing(
        /( *http-request set-var\(txn.otel.answered\).*\n)/,
        '$1    http-request set-var(txn.otel.trust) str(restart) unless otel_trusted\n',
      ),
    ),
    asIs,
    'trust-late at http-request set-var(txn.otel.trust) str(restart) unless otel_trusted',
  ],
  [
    'nobody said to be trusted or not',
    without(/set-var\(txn\.otel\.trust\)/),
    asIs,
    'trust-missing at frontend www',
  ],
  [
    'lines of an older version, which only distrust',
    without(/str\(continue\)/),
    asIs,
    'trust-nobody at tcp-request content set-var(txn.otel.trust) str(restart) unless otel_trusted',
  ],
  [
    'a condition of an older version, which trusts whom nobody distrusts',
    replacing(
      'var(txn.otel.trust) -m str continue',
      'var(txn.otel.trust,continue) -m str continue',
    ),
    asIs,
    'trust-assumed at acl otel_follow var(txn.otel.trust,continue) -m str continue',
  ],
  [
    'times of an older version',
    replacing(',"wait":%[var(txn.otel.wait,-1)]', ''),
    asIs,
    'agent-wait-unbounded at log-format "{$' + '{OTEL_RECORD}}"',
  ],
  [
    'accepted before trust is decided',
    replacing(
      'frontend www\n',
      'frontend www\n    tcp-request content accept if { src 192.0.2.1 }\n',
    ),
    asIs,
    'trust-skipped at tcp-request content accept if { src 192.0.2.1 }',
  ],
  [
    'accepted by the defaults',
    both(
      replacing(
        'frontend www\n',
        `defaults rules\n${PLAIN}    tcp-request content accept if { src 192.0.2.1 }\n    http-request allow if { src 192.0.2.2 }\n\nfrontend www from rules\n`,
      ),
      replacing('\nfrontend tcp\n', `\ndefaults\n${PLAIN}\nfrontend tcp\n`),
    ),
    asIs,
    'trust-skipped at tcp-request content accept if { src 192.0.2.1 }|headers-skipped at http-request allow if { src 192.0.2.2 }',
  ],
  [
    'allowed before headers are set',
    replacing(
      /( *http-request set-var\(txn\.otel\.answered\))/,
      '    http-request allow if { path /public }\n$1',
    ),
    asIs,
    'headers-skipped at http-request allow if { path /public }',
  ],
  [
    'allowed before other formats are removed',
    replacing(
      /( *http-request del-header uber-trace-id)/,
      '    http-request allow if { path /public }\n$1',
    ),
    asIs,
    'headers-skipped at http-request allow if { path /public }',
  ],
  [
    'denied, and asked for a password, before the path is kept',
    replacing(
      /( *http-request set-var\(txn\.otel\.answered\))/,
      '    http-request deny if { path /private }\n    http-request auth unless { path /open }\n$1',
    ),
    asIs,
    'record-skipped at http-request deny if { path /private }|record-skipped at http-request auth unless { path /open }',
  ],
  [
    'a header of another format set by a backend',
    replacing(
      '\nbackend app\n',
      'backend app\n    http-request set-header X-B3-TraceId %[uuid()]\n',
    ),
    asIs,
    'header-overwritten at http-request set-header X-B3-TraceId %[uuid()]',
  ],
  [
    'traceparent set by a backend',
    replacing(
      '\nbackend app\n',
      'backend app\n    http-request set-header Traceparent %[uuid()]\n',
    ),
    asIs,
    'header-overwritten at http-request set-header Traceparent %[uuid()]',
  ],
  [
    'traceparent edited behind',
    replacing(
      '    http-request deny',
      '    http-request replace-header traceparent (.*)..$ \\100\n    http-request deny',
    ),
    asIs,
    'header-overwritten at http-request replace-header traceparent (.*)..$ \\100',
  ],
  [
    'all that begins like it removed by a backend of many',
    both(
      replacing('default_backend app', 'use_backend %[path,field(2,/)]\n    default_backend slow'),
      replacing('\nbackend app\n', 'backend app\n    http-request del-header trace -m beg\n'),
    ),
    asIs,
    'header-withheld at http-request del-header trace -m beg|header-withheld at http-request del-header trace -m beg',
  ],
  [
    'a unique id that HAProxy adds as well',
    replacing(
      'frontend www\n',
      'frontend www\n    unique-id-format %[uuid()]\n    unique-id-header X-Request-ID\n',
    ),
    asIs,
    'request-id-twice at http-request set-header x-request-id %[var(txn.otel.hop),bytes(0,49),set-var(txn.otel.request_id)] unless { var(txn.otel.request_id) -m found }',
  ],
  [
    "a unique id that HAProxy adds to a client's",
    both(
      without(/^ *http-request .*(x-request-id|request_id)/),
      replacing(
        'frontend www\n',
        'frontend www\n    unique-id-format %[uuid()]\n    unique-id-header X-Request-ID\n',
      ),
    ),
    asIs,
    'request-id-twice at unique-id-header X-Request-ID',
  ],
  [
    'a request id of his own behind',
    replacing(
      '    http-request deny',
      '    http-request set-header X-Request-ID %[uuid()]\n    http-request deny',
    ),
    asIs,
    'request-id-untrue at http-request set-header X-Request-ID %[uuid()]',
  ],
  [
    'a request id of his own above',
    replacing(
      /( *http-request set-var\(txn\.otel\.answered\))/,
      '    http-request set-header X-Request-ID %[uuid()]\n$1',
    ),
    asIs,
    'request-id-replaced at http-request set-header X-Request-ID %[uuid()]',
  ],
  [
    'a request id on no span',
    both(
      without(/^ *http-request set-var\(txn\.otel\.request_id\) req/),
      replacing(',set-var(txn.otel.request_id)]', ']'),
    ),
    asIs,
    'request-id-unread at http-request set-header x-request-id %[var(txn.otel.hop),bytes(0,49)] unless { var(txn.otel.request_id) -m found }',
  ],
  [
    'no request id',
    without(/^ *http-request .*(x-request-id|request_id)/),
    asIs,
    'request-id-missing at frontend www',
  ],
  [
    'other formats of clients let through',
    without(/del-header (b3|x-b3)/),
    asIs,
    'other-formats at frontend www',
  ],
  [
    'the filter in a backend as well',
    replacing(
      'backend slow\n',
      'backend slow\n    filter spoe engine otel config FOLDER/otel.conf\n',
    ),
    asIs,
    'filter-in-backend at filter spoe engine otel config FOLDER/otel.conf',
  ],
  [
    'the filter for connections',
    replacing(
      'mode tcp\n    bind 127.0.0.1:8082\n',
      'mode tcp\n    bind 127.0.0.1:8082\n    filter spoe engine otel config FOLDER/otel.conf\n',
    ),
    asIs,
    'filter-in-tcp at filter spoe engine otel config FOLDER/otel.conf',
  ],
  [
    'a condition that only HAProxy can decide',
    replacing('global\n', 'global\n.if enabled(SPLICE)\n    nosplice\n.endif\n'),
    asIs,
    'condition-undecided at .if enabled(SPLICE)',
  ],
  [
    'something else that HAProxy refuses',
    replacing('balance first', 'balance nothing'),
    asIs,
    'haproxy-refuses at balance nothing',
  ],
];
