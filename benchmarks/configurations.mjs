// HAProxy's configurations without tracing, and with the least of it.

/** One that somebody may have had before, who writes no access log; its frontend does what the example's does. */
export function untraced({ http, server }, statsSocket) {
  return `global
    nbthread 1
    stats socket ${statsSocket}

defaults
    mode http
    option dontlognull
    option redispatch
    option abortonclose
    retries 2
    timeout connect 2s
    timeout client 30s
    timeout server 5s

frontend www
    bind 127.0.0.1:${http}
    http-request deny deny_status 403 if { path /forbidden }
    use_backend nowhere if { path /nowhere }
    use_backend slow if { path /slow }
    default_backend app

backend app
    server app1 127.0.0.1:${server}

backend slow
    timeout server 1s
    server app1 127.0.0.1:${server}

backend nowhere
`;
}

/** Asks, and sends the answer upstream: what no agent can do without. */
export function asking(config, { spop }, engineFile) {
  return `${config.replace(
    'frontend www\n',
    `frontend www
    filter spoe engine otel config ${engineFile}
    http-request set-header traceparent %[var(txn.otel.traceparent)]
`,
  )}
backend otel-agents
    .if version_atleast(3.1)
    mode spop
    .else
    mode tcp
    .endif
    timeout connect 1s
    timeout server 3m
    server agent 127.0.0.1:${spop}
`;
}

export const ASKING_ENGINE = `[otel]
spoe-agent otel
    messages mint
    option var-prefix otel
    option dontlog-normal
    register-var-names hop traceparent tracestate
    timeout processing 50ms
    timeout hello 2s
    timeout idle 2m
    use-backend otel-agents

spoe-message mint
    args traceparent=req.fhdr(traceparent) traceparent_count=req.fhdr_cnt(traceparent) trust=str(continue)
    event on-frontend-http-request
`;

/**
 * Makes a trace id, decides by its random part, asks about one in a hundred, and sends the trace upstream: what no sampling
 * in HAProxy can do without. It trusts nobody, takes nothing over, and leaves no trace of what it does not ask about.
 */
export function deciding(config, { spop }, engineFile) {
  return asking(config, { spop }, engineFile).replace(
    /( +filter spoe .*\n).*\n/,
    `    tcp-request content set-var(txn.id) uuid(),regsub(-,,g)
$1    http-request set-header traceparent %[var(txn.otel.traceparent)] if { var(txn.otel.traceparent) -m found }
    http-request set-header traceparent 00-%[var(txn.id)]-%[var(txn.id),bytes(0,16)]-02 unless { var(txn.otel.traceparent) -m found }
`,
  );
}

/** The last 16 bits of the id, of 65536, reach the threshold of 1 %. */
export const DECIDING_ENGINE = ASKING_ENGINE.replace(
  'event on-frontend-http-request',
  'event on-frontend-http-request if { var(txn.id),bytes(28,4),hex2i ge 64880 }',
);

/** A server that costs little: HAProxy. */
export function server({ http }) {
  return `global
    nbthread 1
defaults
    mode http
    timeout client 1m
    timeout http-keep-alive 1m
frontend server
    bind 127.0.0.1:${http}
    http-request return status 200 content-type text/plain string ok
`;
}
