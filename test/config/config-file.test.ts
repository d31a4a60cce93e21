// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the files have variables like that
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { gatherSettings } from '../../src/config/settings-file.ts';
import { type Env, UsageError } from '../../src/settings.ts';
import { until } from '../agent-process.ts';
import { afterwards, startExporting } from '../telemetry/exporting-agent.ts';
import { send } from '../telemetry/hops.ts';
import { receiveHttp } from '../telemetry/http-receiver.ts';
import { spansIn } from '../telemetry/otlp-types.ts';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-config-file-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'otel.yaml');

/** Settings of a file whose version is there already. */
function settingsOf(yaml: string, env: Env = {}, flags: Env = {}) {
  writeFileSync(path, `file_format: "1.0"\n${yaml}`);
  const warnings: string[][] = [];
  const warn = (...warning: string[]): unknown => warnings.push(warning);
  const settings = gatherSettings({ OTEL_CONFIG_FILE: path, ...env }, flags, warn);
  return { settings, warnings, load: () => loadConfig(settings, undefined, warn) };
}

const PROPAGATE = 'propagator: { composite: [tracecontext: ] }\n';

const tracesTo = (exporter: string): string => `${PROPAGATE}tracer_provider:
  processors:
    - batch:
        exporter:
          ${exporter}
`;

test('what the agent has of the model is read, each key', () => {
  const { load, warnings } = settingsOf(`
log_level: warn2
attribute_limits:
  attribute_count_limit: 50
propagator:
  composite:
    - b3:
  composite_list: tracecontext,b3
resource:
  attributes_list: team=edge,vcs=no
  attributes:
    - name: service.name
      value: lb
    - name: vcs
      value: 0012345
      type: string
tracer_provider:
  sampler:
    parent_based:
      root:
        trace_id_ratio_based:
          ratio: 0.25
  limits:
    attribute_value_length_limit: 200
  processors:
    - batch:
        schedule_delay: 1000
        export_timeout: 9000
        max_queue_size: 4096
        max_export_batch_size: 512
        exporter:
          otlp_http:
            endpoint: https://collector.internal/v1/traces
            headers_list: a=1,b=2
            headers:
              - name: b
                value: 0123
              - name: api-key
                value: "x,y=z"
            compression: gzip
            timeout: 3000
            encoding: protobuf
            tls:
              ca_file: ${path}
meter_provider:
  readers:
    - periodic:
        interval: 30000
        exporter:
          otlp_grpc:
            endpoint: collector.internal:4317
            tls:
              insecure: true
logger_provider:
  processors:
    - simple:
        exporter:
          console:
distribution:
  node: { anything: [1] }
`);
  const config = load();
  const { exporters } = config.telemetry;
  expect(warnings).toEqual([]);
  expect(config).toMatchObject({
    logLevel: 'warn',
    formats: ['b3', 'tracecontext'],
    sampler: { name: 'parentbased_traceidratio', ratio: 0.25 },
    telemetry: {
      resourceAttributes: { 'service.name': 'lb', team: 'edge', vcs: '0012345' },
      spanLimits: { attributeCount: 50, attributeValueLength: 200 },
      scheduleDelay: 1000,
      batchSize: 512,
      queueSpans: 4096,
    },
  });
  expect(exporters).toMatchObject({
    traces: {
      kind: 'otlp',
      protocol: 'http/protobuf',
      endpoint: 'https://collector.internal/v1/traces',
      headers: { a: '1', b: '0123', 'api-key': 'x,y=z' },
      compression: 'gzip',
      timeout: 3000,
      certificate: path,
    },
    metrics: {
      kind: 'otlp',
      protocol: 'grpc',
      endpoint: 'collector.internal:4317',
      insecure: true,
    },
    logs: { kind: 'console' },
  });
});

test('other settings of OpenTelemetry are not used, and named; those of the agent and flags are', () => {
  const { load, warnings } = settingsOf(
    tracesTo('otlp_grpc: { endpoint: "${OTEL_EXPORTER_OTLP_ENDPOINT}" }'),
    {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://a:1',
      OTEL_TRACES_SAMPLER: 'always_off',
      OTEL_LOGS_EXPORTER: 'console',
      HAPROXY_OTEL_BATCH_BYTES: '2048',
    },
    { OTEL_LOG_LEVEL: 'debug' },
  );
  expect(load()).toMatchObject({
    logLevel: 'debug',
    sampler: { name: 'parentbased_always_on' },
    telemetry: {
      batchBytes: 2048,
      exporters: { traces: { protocol: 'grpc', endpoint: 'http://a:1' }, logs: { kind: 'none' } },
    },
  });
  expect(warnings).toEqual([
    ['OTEL_CONFIG_FILE', `${path} is in the place of OTEL_TRACES_SAMPLER, OTEL_LOGS_EXPORTER`],
  ]);
});

test('what is not in the file is not done', () => {
  const { load, warnings } = settingsOf('');
  const { telemetry, formats } = load();
  expect([telemetry.exporters.traces, formats]).toEqual([{ kind: 'none' }, []]);
  expect(warnings).toEqual([
    ['OTEL_CONFIG_FILE', `${path} has no propagator: no trace of a caller is continued`],
  ]);
});

test.each([
  ['always_on: ', ['always_on', 1]],
  ['always_off: {}', ['always_off', 1]],
  ['trace_id_ratio_based: { ratio: 1e-2 }', ['traceidratio', 0.01]],
  ['probability/development: { ratio: 0.5 }', ['probability', 0.5]],
  ['parent_based: ', ['parentbased_always_on', 1]],
  ['parent_based: { root: { always_off: } }', ['parentbased_always_off', 1]],
  [
    'parent_based: { root: { jaeger_remote/development: { endpoint: "http://j:1", interval: 500, initial_sampler: { trace_id_ratio_based: { ratio: 0.1 } } } } }',
    ['parentbased_jaeger_remote', 0.1],
  ],
])('the sampler %s', (sampler, expected) => {
  const { load } = settingsOf(`${tracesTo('console: ')}  sampler: { ${sampler} }\n`);
  const { name, ratio, remote } = load().sampler;
  expect([name, ratio]).toEqual(expected);
  if (remote !== undefined) {
    expect(remote).toEqual({ kind: 'jaeger_remote', endpoint: 'http://j:1', pollingInterval: 500 });
  }
});

describe('variables', () => {
  const valueWritten = (written: string): unknown =>
    settingsOf(`${PROPAGATE}resource: { attributes: [ { name: a, value: ${written} } ] }\n`, {
      SET: 'set',
      EMPTY: '',
      DIGITS: '0012',
      NESTED: '${SET}',
    }).load().telemetry.resourceAttributes.a;

  test.each([
    ['"${SET}"', 'set'],
    ['"${env:SET}-${SET}"', 'set-set'],
    ['"${UNSET:-d}"', 'd'],
    ['"${EMPTY:-d}"', 'd'],
    ['"${SET:-d}"', 'set'],
    ['"a${UNSET}b"', 'ab'],
    ['"$${SET}"', '${SET}'],
    ['"$SET $$ $"', '$SET $ $'],
    ['"${NESTED}"', '${SET}'],
    ['"${DIGITS}"', '0012'],
    ['12e4567', '12e4567'],
    ['0x1f', '0x1f'],
    ['true', 'true'],
  ])('%s is %s', (written, value) => {
    expect(valueWritten(written)).toBe(value);
  });

  test('in a key are none', () => {
    expect(() => settingsOf('"${SET}": 1\n', { SET: 'disabled' })).toThrow('${SET}: the agent has');
  });

  test.each(['${SET-d}', '${1}', '${}', '${SET:?x}'])('%s is refused', (written) => {
    expect(() => valueWritten(`"${written}"`)).toThrow(
      `line 3: resource.attributes[0].value: \${NAME} or \${NAME:-default} is accepted`,
    );
  });
});

describe('a file is refused with line and key', () => {
  test.each([
    ['colour: red', 'line 2: colour: the agent has no such setting: disabled, log_level, '],
    [
      'tracer_provider: { processors: [ { batch: { exporter: { zipkin: } } } ] }',
      'tracer_provider.processors[0].batch.exporter.zipkin: the agent has no such setting: otlp_http, otlp_grpc, console are accepted here',
    ],
    [
      tracesTo('otlp_http: { tls: { insecure: true } }'),
      'line 7: tracer_provider.processors[0].batch.exporter.otlp_http.tls.insecure: the agent has no such setting',
    ],
    [
      tracesTo('otlp_http: { encoding: json }'),
      'otlp_http.encoding: only protobuf is accepted, not "json"',
    ],
    [
      tracesTo('otlp_http: { timeout: soon }'),
      'timeout: a whole number from 0 on is accepted, not',
    ],
    [tracesTo('otlp_http: { timeout: [1] }'), 'timeout: a single value is accepted, not a list'],
    [
      `${PROPAGATE}tracer_provider: { processors: { batch: } }`,
      'a list is accepted, not a mapping',
    ],
    ['tracer_provider: { processors: [ { batch: {} } ] }', 'batch: exporter is missing'],
    ['tracer_provider: { sampler: { always_on: } }', 'tracer_provider: processors is missing'],
    [
      'tracer_provider: { processors: [ { batch: { exporter: { console: } } }, { batch: } ] }',
      'tracer_provider.processors[1]: the agent has one: no second is accepted',
    ],
    ['meter_provider: { readers: [], views: [] }', 'readers: a list with one item is accepted'],
    ['disabled: maybe', 'disabled: true or false is accepted, not "maybe"'],
    ['propagator: { composite_list: "tracecontext,ot" }', 'not "ot"'],
    ['resource: { attributes: [ { name: a, value: 1, type: int } ] }', 'string is accepted'],
    ['instrumentation/development: {}', 'instrumentation/development: the agent has no such'],
  ])('%s', (yaml, message) => {
    expect(() => settingsOf(yaml)).toThrow(UsageError);
    expect(() => settingsOf(yaml)).toThrow(message);
  });

  test.each(['2.0', '0.3', '1', 'x', ''])('file_format "%s"', (version) => {
    writeFileSync(path, `file_format: "${version}"\n`);
    expect(() => gatherSettings({ OTEL_CONFIG_FILE: path }, {})).toThrow(
      'line 1: file_format: 1.0, or another version 1.x, is accepted',
    );
  });

  test('without a version', () => {
    writeFileSync(path, 'disabled: true\n');
    expect(() => gatherSettings({ OTEL_CONFIG_FILE: path }, {})).toThrow(
      'the file: file_format is missing',
    );
  });

  test('what settings refuse later, too, and warnings have the key', () => {
    const { load } = settingsOf(tracesTo('otlp_http: { endpoint: "user:geheim@host:4318" }'));
    expect(load).toThrow(
      `${path}, line 7: tracer_provider.processors[0].batch.exporter.otlp_http.endpoint is "host:4318": http://`,
    );
    const { load: again, warnings } = settingsOf(
      tracesTo('otlp_grpc: { endpoint: "http://h:4318" }'),
    );
    again();
    expect(warnings).toEqual([
      [
        `${path}, line 7: tracer_provider.processors[0].batch.exporter.otlp_grpc.endpoint`,
        '4318 is the port of OTLP over HTTP, that of gRPC is 4317',
      ],
    ]);
  });

  test.each([
    ['an unclosed list', 'a: [geheim\nb: "'],
    ['a key twice', 'disabled: true\ndisabled: geheim\n'],
    ['a value that is no header', tracesTo('otlp_http: { headers: [ { value: geheim } ] }')],
    [
      'aliases without end',
      `a: &a [x,x,x,x,x,x,x,x,x,x]
b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]
c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]
d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]
e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]
`,
    ],
    ['one that has itself', 'disabled: &a [*a]\n'],
  ])('that is broken, and nothing of it is repeated: %s', (_name, yaml) => {
    const failing = () => settingsOf(yaml);
    expect(failing).toThrow(new RegExp(`^${path}, line \\d+: `));
    expect(failing).not.toThrow(/geheim/);
  });

  test('that is not there', () => {
    expect(() => gatherSettings({ OTEL_CONFIG_FILE: '/does/not/exist' }, {})).toThrow(
      'the file of OTEL_CONFIG_FILE cannot be read',
    );
  });
});

test('an agent starts with it, and applies what it can of it on SIGHUP', async () => {
  const receiver = await receiveHttp();
  const write = (token: string, level: string): void =>
    writeFileSync(
      path,
      `file_format: "1.1"
log_level: ${level}
${tracesTo(`otlp_http:
            endpoint: http://127.0.0.1:\${PORT}/v1/traces
            headers: [ { name: api-key, value: "${token}" } ]`)}`,
    );
  write('one', 'info');
  const agent = await startExporting('', { OTEL_CONFIG_FILE: path, PORT: String(receiver.port) });
  afterwards(() => agent.end('SIGKILL'));
  await send(agent, 0, 5);
  write('two', 'debug');
  agent.process.kill('SIGHUP');
  const reloaded = await until('the reload', () => agent.logged('reloaded'));
  expect(reloaded).toMatchObject({
    changed: ['OTEL_EXPORTER_OTLP_TRACES_HEADERS', 'OTEL_LOG_LEVEL'],
  });
  await send(agent, 5, 10);
  await agent.end();
  const tokens = receiver.requests.map(({ headers }) => headers['api-key']);
  expect(tokens.at(-1)).toBe('two');
  expect(receiver.requests.flatMap(({ body }) => spansIn(body))).toHaveLength(20);
  write('three', 'loud');
  const refused = await startExporting('', { OTEL_CONFIG_FILE: path, PORT: '1' }).catch(String);
  expect(refused).toContain(`${path}, line 2: log_level: one of trace, trace2`);
});
