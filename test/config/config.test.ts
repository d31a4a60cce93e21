import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parseCommandLine } from '../../src/command-line.ts';
import { type Config, loadConfig } from '../../src/config/config.ts';
import { type Env, UsageError } from '../../src/settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

test.each([
  [
    { OTEL_TRACES_SAMPLER: 'jaeger_remote' },
    {
      ratio: 0.001,
      remote: {
        kind: 'jaeger_remote',
        endpoint: 'http://localhost:14250',
        pollingInterval: 60_000,
      },
    },
  ],
  [
    {
      OTEL_TRACES_SAMPLER: 'parentbased_jaeger_remote',
      OTEL_TRACES_SAMPLER_ARG:
        'endpoint=https://jaeger:5779/, pollingIntervalMs=5000,initialSamplingRate=0.25',
    },
    {
      ratio: 0.25,
      remote: {
        kind: 'jaeger_remote',
        endpoint: 'https://jaeger:5779/',
        pollingInterval: 5_000,
      },
    },
  ],
  [
    { OTEL_TRACES_SAMPLER: 'xray' },
    { ratio: 0.05, remote: { kind: 'xray', endpoint: 'http://localhost:2000' } },
  ],
])('rules from a service: %j', (env, sampler) => {
  expect(loadConfig(env).sampler).toEqual({ name: env.OTEL_TRACES_SAMPLER, ...sampler });
});

test('the defaults', () => {
  expect(loadConfig({})).toEqual({
    logLevel: 'info',
    journal: false,
    spop: { kind: 'tcp', host: '127.0.0.1', port: 12_345 },
    spopLimits: {
      maxFrameSize: 65_536,
      helloTimeout: 5_000,
      maxConnections: 4_096,
      maxUnread: 1_048_576,
    },
    sampler: { name: 'parentbased_always_on', ratio: 1, maxTracesPerSecond: undefined },
    formats: ['tracecontext', 'b3', 'jaeger', 'xray'],
    telemetry: {
      logLevel: 'info',
      journal: false,
      records: { kind: 'tcp', host: '127.0.0.1', port: 12_346 },
      sampler: { name: 'parentbased_always_on', ratio: 1, maxTracesPerSecond: undefined },
      keep: { errors: false, slowerThan: undefined, perSecond: 100 },
      baggageKeys: [],
      connectionErrorSpans: false,
      resourceAttributes: { 'service.name': 'haproxy' },
      spanLimits: { attributeCount: 128, attributeValueLength: undefined },
      queryRule: { kind: 'all' },
      logs: {
        which: 'all',
        body: 'line',
        limits: { attributeCount: 128, attributeValueLength: undefined },
        batchSize: 2_048,
        scheduleDelay: 1_000,
        queueSize: 131_072,
      },
      exporters: {
        traces: {
          kind: 'otlp',
          protocol: 'grpc',
          endpoint: 'http://localhost:4317',
          insecure: false,
          headers: {},
          compression: 'none',
          timeout: 10_000,
          certificate: undefined,
          clientKey: undefined,
          clientCertificate: undefined,
          proxy: undefined,
        },
        metrics: { kind: 'none' },
        logs: { kind: 'none' },
      },
      metrics: {
        interval: 60_000,
        temporality: 'cumulative',
        histogramAggregation: 'explicit_bucket_histogram',
        exemplarFilter: 'trace_based',
      },
      batchSize: 2_048,
      batchBytes: 1_000_000,
      scheduleDelay: 5_000,
      queueSpans: 131_072,
      queueBytes: 134_217_728,
      admin: {
        address: { kind: 'tcp', host: '127.0.0.1', port: 12_347 },
        optional: true,
        token: undefined,
        hosts: [],
        traceUrl: undefined,
      },
    },
    stopTimeout: 10_000,
    threadEnv: {},
  });
});

test('an empty value is the same as none', () => {
  expect(loadConfig({ OTEL_BSP_SCHEDULE_DELAY: '', HAPROXY_OTEL_SPOP: ' ' })).toEqual(
    loadConfig({}),
  );
});

const exporterOf = (config: Config) => {
  const { traces: exporter } = config.telemetry.exporters;
  if (exporter.kind !== 'otlp') throw new Error(exporter.kind);
  return exporter;
};

describe('addresses', () => {
  test.each([
    ['127.0.0.2:1', { kind: 'tcp', host: '127.0.0.2', port: 1 }],
    ['[::1]:12345', { kind: 'tcp', host: '::1', port: 12_345 }],
    ['localhost:0', { kind: 'tcp', host: 'localhost', port: 0 }],
    ['unix:/run/otel.sock', { kind: 'unix', path: '/run/otel.sock' }],
    ['fd:3', { kind: 'fd', fd: 3 }],
  ])('%s', (text, expected) => {
    expect(loadConfig({ HAPROXY_OTEL_SPOP: text }).spop).toEqual(expected);
    expect(loadConfig({ HAPROXY_OTEL_RECORDS: text }).telemetry.records).toEqual(expected);
  });
});

describe('a value that cannot be used is one line: the variable, the value, what is accepted', () => {
  test.each([
    ['HAPROXY_OTEL_SPOP', 'nonsense', 'host:port, unix:/path, abns@name, abnsz@name or fd:N'],
    [
      'HAPROXY_OTEL_SPOP',
      '127.0.0.1:70000',
      'host:port, unix:/path, abns@name, abnsz@name or fd:N',
    ],
    ['HAPROXY_OTEL_SPOP', '::1:80', 'host:port, unix:/path, abns@name, abnsz@name or fd:N'],
    [
      'HAPROXY_OTEL_RECORDS',
      'unix:relative',
      'host:port, unix:/path, abns@name, abnsz@name or fd:N',
    ],
    ['OTEL_TRACES_EXPORTER', 'zipkin', 'one of otlp, console, none'],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'http/json', 'one of grpc, http/protobuf'],
    ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'ftp://x', 'http://host:port, https://host:port'],
    ['OTEL_EXPORTER_OTLP_INSECURE', 'yes', 'true or false'],
    ['OTEL_EXPORTER_OTLP_CERTIFICATE', '/does/not/exist', 'the path of a file'],
    ['HAPROXY_OTEL_MAX_TRACES_PER_SECOND', '0', 'a number above 0'],
    ['HAPROXY_OTEL_KEEP_ERRORS', '1', 'true or false'],
    ['HAPROXY_OTEL_KEEP_SLOWER_THAN', '0', 'a whole number from 1'],
    ['HAPROXY_OTEL_KEEP_PER_SECOND', '-1', 'a number above 0'],
    ['HAPROXY_OTEL_BAGGAGE_KEYS', 'a b', 'a list of names without spaces'],
    ['HAPROXY_OTEL_MAX_FRAME_SIZE', '255', 'a whole number from 256'],
    ['HAPROXY_OTEL_OTLP_HEADERS_FILE', '/does/not/exist', 'the path of a file'],
  ])('%s=%s', (name, value, accepted) => {
    expect(() => loadConfig({ [name]: value })).toThrow(UsageError);
    expect(() => loadConfig({ [name]: value })).toThrow(`${name} is "${value}": ${accepted}`);
  });

  test('a client key without its certificate', () => {
    const env = { OTEL_EXPORTER_OTLP_CLIENT_KEY: file('key.pem', 'key') };
    expect(() => loadConfig(env)).toThrow('both or neither is accepted');
  });
});

/** The configuration, and what was warned of, by setting. */
function loaded(env: Env): { config: Config; warnings: [string, string][] } {
  const warnings: [string, string][] = [];
  const config = loadConfig(env, undefined, (...warning) => warnings.push(warning));
  return { config, warnings };
}

describe("a value of OpenTelemetry's that cannot be used is passed over, with a warning", () => {
  test.each([
    ['OTEL_LOG_LEVEL', 'loud', 'one of silent, fatal, error, warn, info, debug, trace'],
    ['OTEL_TRACES_SAMPLER', 'sometimes', 'one of always_on, always_off, traceidratio'],
    ['OTEL_EXPORTER_OTLP_COMPRESSION', 'brotli', 'one of gzip, none'],
    ['OTEL_EXPORTER_OTLP_TIMEOUT', '10s', 'a whole number from 0'],
    ['OTEL_EXPORTER_OTLP_TRACES_TIMEOUT', '-1', 'a whole number from 0'],
    ['OTEL_BSP_SCHEDULE_DELAY', '-1', 'a whole number from 0'],
    ['OTEL_BSP_MAX_QUEUE_SIZE', '1.5', 'a whole number from 1'],
    ['OTEL_BSP_MAX_EXPORT_BATCH_SIZE', '0', 'a whole number from 1'],
    ['OTEL_BSP_EXPORT_TIMEOUT', 'soon', 'a whole number from 0'],
    ['OTEL_SDK_DISABLED', 'yes', 'true or false'],
    ['OTEL_SDK_DISABLED', '1', 'true or false'],
    ['OTEL_ATTRIBUTE_COUNT_LIMIT', '-1', 'a whole number from 0'],
    ['OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT', 'long', 'a whole number from 0'],
  ])('%s=%s', (name, value, accepted) => {
    const { config, warnings } = loaded({ [name]: value });
    expect(config).toEqual(loadConfig({}));
    expect(warnings).toEqual([
      [name, expect.stringContaining(`${name} is "${value}": ${accepted}`)],
    ]);
  });

  test.each(['2', '-0.1', 'half'])('a ratio of %s', (value) => {
    const env = { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: value };
    const { config, warnings } = loaded(env);
    expect(config.sampler.ratio).toBe(1);
    expect(warnings).toEqual([
      ['OTEL_TRACES_SAMPLER_ARG', expect.stringContaining('a number from 0 to 1 is accepted')],
    ]);
  });

  test.each([
    ['jaeger_remote', 'http://x:1', 'a list of endpoint=…, pollingIntervalMs=…'],
    ['jaeger_remote', 'endpoint=http://x:1,endpoint=http://y:1', 'a list of endpoint=…'],
    ['jaeger_remote', 'endpoint=', 'a list of endpoint=…'],
    [
      'parentbased_jaeger_remote',
      'endpoint=x:1',
      'endpoint in OTEL_TRACES_SAMPLER_ARG is "x:1": http://host:port or https',
    ],
    ['jaeger_remote', 'endpoint=http://x', 'http://host:port or https://host:port is accepted'],
    ['jaeger_remote', 'endpoint=http://user:secret@x:1', 'http://host:port or https://host:port'],
    [
      'jaeger_remote',
      'pollingIntervalMs=0',
      'pollingIntervalMs in OTEL_TRACES_SAMPLER_ARG is "0": a whole number from 100',
    ],
    [
      'jaeger_remote',
      'initialSamplingRate=2',
      'initialSamplingRate in OTEL_TRACES_SAMPLER_ARG is "2": a number from 0 to 1',
    ],
    [
      'xray',
      'endpoint=https://x:1',
      'endpoint in OTEL_TRACES_SAMPLER_ARG is "https://x:1": http://host:port is accepted',
    ],
    ['xray', 'pollingIntervalMs=100', 'a list of endpoint=… is accepted'],
  ])('%s with %s', (name, argument, message) => {
    const env = { OTEL_TRACES_SAMPLER: name, OTEL_TRACES_SAMPLER_ARG: argument };
    const { config, warnings } = loaded(env);
    expect(config).toEqual(loadConfig({ OTEL_TRACES_SAMPLER: name }));
    expect(warnings).toEqual([['OTEL_TRACES_SAMPLER_ARG', expect.stringContaining(message)]]);
  });

  test('a batch larger than the queue', () => {
    const env = { OTEL_BSP_MAX_QUEUE_SIZE: '100', OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '101' };
    const { config, warnings } = loaded(env);
    expect(config.telemetry).toMatchObject({ queueSpans: 100, batchSize: 100 });
    expect(warnings).toEqual([
      [
        'OTEL_BSP_MAX_EXPORT_BATCH_SIZE',
        expect.stringContaining('at most OTEL_BSP_MAX_QUEUE_SIZE, 100, is accepted'),
      ],
    ]);
  });

  test.each([
    ['ottrace', ['tracecontext', 'b3', 'jaeger', 'xray'], '"ottrace" is passed over'],
    ['b3,OTTrace,xray', ['b3', 'xray'], '"ottrace" is passed over'],
    ['none,b3', ['b3'], '"none" is passed over'],
  ])('OTEL_PROPAGATORS=%s', (text, formats, message) => {
    const { config, warnings } = loaded({ OTEL_PROPAGATORS: text });
    expect(config.formats).toEqual(formats);
    expect(warnings).toEqual([['OTEL_PROPAGATORS', expect.stringContaining(message)]]);
  });

  test.each(['novalue', 'a=b,novalue', '=b', 'a=%zz', '%zz=a'])(
    'OTEL_RESOURCE_ATTRIBUTES=%s, all of them',
    (text) => {
      const env = { OTEL_RESOURCE_ATTRIBUTES: `c=d,${text}`, OTEL_SERVICE_NAME: 'edge' };
      const { config, warnings } = loaded(env);
      expect(config.telemetry.resourceAttributes).toEqual({ 'service.name': 'edge' });
      expect(warnings).toEqual([
        ['OTEL_RESOURCE_ATTRIBUTES', expect.stringContaining('name=value,name=value')],
      ]);
    },
  );
});

describe('what is hardly meant so is warned of, and used', () => {
  test.each<[Env, string, string]>([
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://user:geheim@collector:4317/v1/traces' },
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'gRPC has no path, /v1/traces is that of OTLP over HTTP: collector:4317 is used',
    ],
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector' },
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'has neither scheme nor port: https://collector:443 is used',
    ],
    [
      { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'collector:4318' },
      'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
      '4318 is the port of OTLP over HTTP, that of gRPC is 4317',
    ],
    [
      { OTEL_TRACES_SAMPLER_ARG: '0.1' },
      'OTEL_TRACES_SAMPLER_ARG',
      'is not used: the sampler is parentbased_always_on, which has none',
    ],
    [
      { OTEL_TRACES_SAMPLER: 'always_off', OTEL_TRACES_SAMPLER_ARG: '0.1' },
      'OTEL_TRACES_SAMPLER_ARG',
      'is not used: the sampler is always_off, which has none',
    ],
  ])('%j', (env, setting, reason) => {
    expect(loaded(env).warnings).toEqual([[setting, reason]]);
  });

  test('an address of both kinds twice', () => {
    const { warnings } = loaded({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318/v1/traces' });
    expect(warnings).toHaveLength(2);
  });

  test.each<Env>([
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'https://ingest.example.com:443/otlp' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'unix:///run/v1/collector.sock' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector', OTEL_EXPORTER_OTLP_INSECURE: 'true' },
    { OTEL_TRACES_SAMPLER: 'parentbased_probability', OTEL_TRACES_SAMPLER_ARG: '0.1' },
    { OTEL_TRACES_SAMPLER: 'xray', OTEL_TRACES_SAMPLER_ARG: 'endpoint=http://localhost:2000' },
    { OTEL_PROPAGATORS: 'b3,b3' },
    { OTEL_RESOURCE_ATTRIBUTES: 'a=b=c' },
  ])('but not %j', (env) => {
    expect(loaded(env).warnings).toEqual([]);
  });
});

test('limits: those of spans before those of all signals', () => {
  const limits = (env: Env) => loadConfig(env).telemetry.spanLimits;
  const all = { OTEL_ATTRIBUTE_COUNT_LIMIT: '40', OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: '100' };
  expect(limits(all)).toEqual({ attributeCount: 40, attributeValueLength: 100 });
  expect(
    limits({
      ...all,
      OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: '0',
      OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: '0',
    }),
  ).toEqual({ attributeCount: 0, attributeValueLength: 0 });
});

test('a timeout of 0 is none, which is an hour', () => {
  const timeoutOf = (env: Env) => exporterOf(loadConfig(env)).timeout;
  expect(timeoutOf({ OTEL_EXPORTER_OTLP_TIMEOUT: '0' })).toBe(30_000);
  expect(timeoutOf({ OTEL_EXPORTER_OTLP_TIMEOUT: '0', OTEL_BSP_EXPORT_TIMEOUT: '0' })).toBe(
    3_600_000,
  );
});

describe('OTEL_PROPAGATORS', () => {
  test.each([
    ['tracecontext', ['tracecontext']],
    ['tracecontext,baggage', ['tracecontext']],
    ['b3multi, tracecontext', ['b3', 'tracecontext']],
    ['b3,b3multi,xray,jaeger', ['b3', 'xray', 'jaeger']],
    ['xray,b3,XRay,b3,', ['xray', 'b3']],
    ['none', []],
  ])('%s', (text, expected) => {
    expect(loadConfig({ OTEL_PROPAGATORS: text }).formats).toEqual(expected);
  });
});

describe('the admin listener', () => {
  test('off, with a token, names and a template', () => {
    expect(loadConfig({ HAPROXY_OTEL_ADMIN: 'off' }).telemetry.admin).toBeUndefined();
    const token = 'abcdefghijklmnopqrstuvwxyz';
    const { admin } = loadConfig({
      HAPROXY_OTEL_ADMIN: '0.0.0.0:1',
      HAPROXY_OTEL_ADMIN_TOKEN_FILE: file('token', `${token}\n`),
      HAPROXY_OTEL_ADMIN_HOSTS: 'LB1.internal, lb1',
      HAPROXY_OTEL_TRACE_URL: 'https://ui/trace/{traceId}',
    }).telemetry;
    expect(admin).toEqual({
      address: { kind: 'tcp', host: '0.0.0.0', port: 1 },
      optional: false,
      token,
      hosts: ['lb1.internal', 'lb1'],
      traceUrl: 'https://ui/trace/{traceId}',
    });
  });

  test("the token of systemd's credential, unless a file is named", () => {
    const CREDENTIALS_DIRECTORY = mkdtempSync(join(folder, 'credentials-'));
    const own = 'abcdefghijklmnopqrstuvwxyz';
    writeFileSync(join(CREDENTIALS_DIRECTORY, 'otlp_admin_token'), `${own}\n`);
    const env = { CREDENTIALS_DIRECTORY, HAPROXY_OTEL_ADMIN: '0.0.0.0:1' };
    expect(loadConfig(env).telemetry.admin?.token).toBe(own);
    const other = own.toUpperCase();
    const HAPROXY_OTEL_ADMIN_TOKEN_FILE = file('other-token', other);
    expect(loadConfig({ ...env, HAPROXY_OTEL_ADMIN_TOKEN_FILE }).telemetry.admin?.token).toBe(
      other,
    );
  });

  test('a token that is too short is refused, and not repeated', () => {
    const path = file('short-token', 's3cr3t');
    const load = (): unknown => loadConfig({ HAPROXY_OTEL_ADMIN_TOKEN_FILE: path });
    expect(load).toThrow(`${path}": one token of 22 or more visible characters is accepted`);
    expect(load).not.toThrow('s3cr3t');
  });

  test.each([
    ['HAPROXY_OTEL_ADMIN', 'on', 'host:port, unix:/path, abns@name, abnsz@name or fd:N, or off'],
    ['HAPROXY_OTEL_ADMIN', '0.0.0.0:1', 'beyond loopback'],
    ['HAPROXY_OTEL_ADMIN_HOSTS', 'a:1', 'a list of host names'],
    ['HAPROXY_OTEL_TRACE_URL', 'https://ui/trace', 'an http:// or https:// address with {traceId}'],
    ['HAPROXY_OTEL_TRACE_URL', 'javascript:{traceId}', 'an http:// or https:// address'],
    ['HAPROXY_OTEL_ADMIN_TOKEN_FILE', '/does/not/exist', 'the path of a file'],
  ])('%s=%s', (name, value, accepted) => {
    expect(() => loadConfig({ [name]: value })).toThrow(`${name} is "${value}": ${accepted}`);
  });

  test.each(['127.0.0.2:1', '[::1]:1', 'localhost:1', 'unix:/a'])(
    '%s needs no token',
    (address) => {
      expect(loadConfig({ HAPROXY_OTEL_ADMIN: address }).telemetry.admin).toBeDefined();
    },
  );
});

describe('OTLP', () => {
  test("the signal's own variable wins over the common one", () => {
    const config = loadConfig({
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://common:4317',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://traces:4317',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
      OTEL_EXPORTER_OTLP_TIMEOUT: '5000',
    });
    expect(exporterOf(config)).toMatchObject({
      endpoint: 'https://traces:4317',
      compression: 'gzip',
      timeout: 5000,
    });
  });

  test('headers come from the environment, percent-decoded, and from a file', () => {
    const path = file('headers', '# token\n\nLightstep-Access-Token: a=b c\nx-two=2\n');
    const config = loadConfig({
      OTEL_EXPORTER_OTLP_HEADERS: 'x-one=1%2C0,x-two=1',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'x-three=3',
      HAPROXY_OTEL_OTLP_HEADERS_FILE: path,
    });
    expect(exporterOf(config).headers).toEqual({
      'x-one': '1,0',
      'x-two': '2',
      'x-three': '3',
      'lightstep-access-token': 'a=b c',
    });
  });

  test('a flaw in a header is reported by its place, never by its value', () => {
    const secret = 's3cr3t\u00e9';
    for (const env of [
      { OTEL_EXPORTER_OTLP_HEADERS: `ok=1,token=${secret}` },
      { HAPROXY_OTEL_OTLP_HEADERS_FILE: file('bad', `ok=1\ntoken=${secret}\n`) },
    ]) {
      expect(() => loadConfig(env)).toThrow(/(item|line) 2/);
      expect(() => loadConfig(env)).not.toThrow('s3cr3t');
    }
  });

  test('the telemetry thread gets neither the settings nor the secrets in its environment', () => {
    const config = loadConfig({
      OTEL_EXPORTER_OTLP_HEADERS: 'token=secret',
      HAPROXY_OTEL_SPOP: '127.0.0.1:1',
      PATH: '/bin',
    });
    expect(config.threadEnv).toEqual({ PATH: '/bin' });
  });

  test('OTEL_SDK_DISABLED exports nothing', () => {
    expect(loadConfig({ OTEL_SDK_DISABLED: 'true' }).telemetry.exporters.traces).toEqual({
      kind: 'none',
    });
  });
});

test('the resource: attributes percent-decoded, the service name from its own variable first', () => {
  const attributes = (env: Record<string, string>) => loadConfig(env).telemetry.resourceAttributes;
  const OTEL_RESOURCE_ATTRIBUTES = 'service.name=edge,a=b%20c, d = e,f=g=h==,i%2Cj=%2C%3D%25,k=';
  expect(attributes({ OTEL_RESOURCE_ATTRIBUTES })).toEqual({
    'service.name': 'edge',
    a: 'b c',
    d: 'e',
    f: 'g=h==',
    'i,j': ',=%',
    k: '',
  });
  expect(attributes({ OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME: 'lb' })).toMatchObject({
    'service.name': 'lb',
  });
});

test.each([
  ['none', 'silent'],
  ['VERBOSE', 'trace'],
  ['all', 'trace'],
  ['Debug', 'debug'],
])("OTEL_LOG_LEVEL=%s is pino's %s", (value, level) => {
  expect(loadConfig({ OTEL_LOG_LEVEL: value }).logLevel).toBe(level);
});

describe('the command line', () => {
  test('flags stand for their variables, the command is run unless named', () => {
    const args = ['--spop', 'unix:/a', '--records=fd:3', '--log-level', 'debug'];
    expect(parseCommandLine(args)).toMatchObject({
      command: 'run',
      settings: {
        HAPROXY_OTEL_SPOP: 'unix:/a',
        HAPROXY_OTEL_RECORDS: 'fd:3',
        OTEL_LOG_LEVEL: 'debug',
      },
    });
    expect(parseCommandLine(['demo', '--once'])).toMatchObject({ command: 'demo', once: true });
    expect(parseCommandLine(['run', '--help'])).toMatchObject({ command: 'run', help: true });
  });

  test.each([[['--nonsense']], [['--spop']], [['run', 'more']]])('%j is refused', (args) => {
    expect(() => parseCommandLine(args)).toThrow(UsageError);
  });

  test.each([
    [['run', '--once'], '--once is no flag of run'],
    [['--once'], '--once is no flag of run'],
    [['demo', '--spop', '127.0.0.1:1'], '--spop is no flag of demo'],
    [['demo', '--once', '--log-level=debug'], '--log-level is no flag of demo'],
    [['start', '--once'], 'unknown command "start": run, demo, add, remove, check or verify'],
  ])('%j is of another command', (args, message) => {
    expect(() => parseCommandLine(args)).toThrow(message);
  });
});
