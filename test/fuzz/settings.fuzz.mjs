// Settings from a file, the environment, or OpenTelemetry's file: a configuration, or an error that is for people.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../dist/config/config.js';
import { gatherSettings } from '../../dist/config/settings-file.js';
import { UsageError } from '../../dist/settings.js';
import { target } from './checks.mjs';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-fuzz-'));
const file = join(folder, 'settings.env');
const yaml = join(folder, 'otel.yaml');

export const seeds = [
  `0HAPROXY_OTEL_SPOP=127.0.0.1:9001
HAPROXY_OTEL_ADMIN=[::1]:9002 # a comment
OTEL_EXPORTER_OTLP_ENDPOINT="https://collector.example:4317"
OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20x,a=b
OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
OTEL_TRACES_SAMPLER=parentbased_traceidratio
OTEL_TRACES_SAMPLER_ARG=0.25
OTEL_RESOURCE_ATTRIBUTES=service.name=lb,deployment.environment.name=prod
OTEL_PROPAGATORS=tracecontext,b3,jaeger
HAPROXY_OTEL_KEEP=errors,slow:250ms
OTEL_BSP_MAX_QUEUE_SIZE=4096`,
  `1HAPROXY_OTEL_RECORDS=unix@/run/records.sock
HAPROXY_OTEL_LOGS_BODY=message
HAPROXY_OTEL_QUERY=redact:a,b
OTEL_METRICS_EXPORTER=otlp,prometheus
OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=12
OTEL_EXPORTER_OTLP_TRACES_TIMEOUT=500`,
  `2file_format: "1.0"
resource:
  attributes:
    - name: service.name
      value: lb
tracer_provider:
  processors:
    - batch:
        schedule_delay: 500
        exporter:
          otlp_grpc:
            endpoint: http://localhost:4317
  sampler:
    parent_based:
      root:
        trace_id_ratio_based:
          ratio: 0.5
propagator:
  composite: [{ tracecontext: }, { b3: }]`,
].map((text) => Buffer.from(text));

/** Where a setting names a file, it is one of these, or none. */
function variables(text) {
  const pairs = text
    .split('\n')
    .map((line) => line.split('=', 1).concat(line.slice(line.indexOf('=') + 1)));
  return Object.fromEntries(
    pairs.filter(([name]) => !/_CONFIG|_FILE|CERTIFICATE|_KEY/.test(name) && !name.includes('\0')),
  );
}

export const fuzz = target((data) => {
  const [kind = 0] = data;
  const text = data.toString('utf8', 1);
  if (kind % 3 === 0) {
    writeFileSync(
      file,
      Object.entries(variables(text))
        .map((pair) => pair.join('='))
        .join('\n'),
    );
    loadConfig(gatherSettings({}, { HAPROXY_OTEL_CONFIG: file }));
  } else if (kind % 3 === 1) {
    loadConfig(gatherSettings(variables(text), {}));
  } else {
    writeFileSync(yaml, text);
    loadConfig(gatherSettings({}, { OTEL_CONFIG_FILE: yaml }));
  }
}, UsageError);
