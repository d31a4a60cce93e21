import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { summarize } from '../../src/config/summary.ts';
import type { Env } from '../../src/settings.ts';
import { SIGNAL_NAMES, type Signal } from '../../src/telemetry/config.ts';
import { ExporterStatus } from '../../src/telemetry/export/exporter-status.ts';

const ALL: Env = {
  OTEL_METRICS_EXPORTER: 'otlp',
  OTEL_LOGS_EXPORTER: 'otlp',
  OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
};

function load(env: Env) {
  const warnings: (readonly [string, string])[] = [];
  const config = loadConfig({ ...ALL, ...env }, undefined, (...warning) => warnings.push(warning));
  const of = (signal: Signal) => {
    const exporter = config.telemetry.exporters[signal];
    if (exporter.kind !== 'otlp') throw new Error(exporter.kind);
    return exporter;
  };
  return { config, of, warnings, endpoints: SIGNAL_NAMES.map((signal) => of(signal).endpoint) };
}

const withPaths = (base: string, query = ''): string[] =>
  SIGNAL_NAMES.map((signal) => `${base}/v1/${signal}${query}`);

test.each([
  [undefined, withPaths('http://localhost:4318')],
  ['http://host', withPaths('http://host')],
  ['http://host/', withPaths('http://host')],
  ['https://host:8443/otlp', withPaths('https://host:8443/otlp')],
  ['https://host/otlp//', withPaths('https://host/otlp')],
  ['http://host/x?t=1', withPaths('http://host/x', '?t=1')],
  ['http://host/x#part', withPaths('http://host/x')],
  ['HTTP://[::1]:4318', withPaths('http://[::1]:4318')],
  ['unix:///run/otlp.sock', SIGNAL_NAMES.map(() => 'unix:///run/otlp.sock')],
  ['unix-abstract:otlp', SIGNAL_NAMES.map(() => 'unix-abstract:otlp')],
])('to the endpoint %s the path of the signal is appended', (endpoint, urls) => {
  const { endpoints, warnings } = load({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint });
  expect(endpoints).toEqual(urls);
  expect(warnings).toEqual([]);
});

test('the endpoint of one signal is used as it is, and for it alone', () => {
  const { endpoints, warnings } = load({
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://host',
    OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: 'https://logs:1/own/path?key=1',
  });
  expect(endpoints).toEqual([
    'http://host/v1/traces',
    'http://host/v1/metrics',
    'https://logs:1/own/path?key=1',
  ]);
  expect(warnings).toEqual([]);
});

test('each signal has settings of its own before those of all', () => {
  const { of } = load({
    OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'grpc',
    OTEL_EXPORTER_OTLP_TIMEOUT: '5000',
    OTEL_EXPORTER_OTLP_LOGS_TIMEOUT: '700',
    OTEL_BLRP_EXPORT_TIMEOUT: '600',
    OTEL_METRIC_EXPORT_TIMEOUT: '400',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: 'none',
    OTEL_EXPORTER_OTLP_HEADERS: 'a=1,b=2',
    OTEL_EXPORTER_OTLP_METRICS_HEADERS: 'b=3',
  });
  const read = SIGNAL_NAMES.map((signal) => {
    const { protocol, endpoint, timeout, compression, headers } = of(signal);
    return [protocol, endpoint, timeout, compression, headers];
  });
  expect(read).toEqual([
    ['http/protobuf', 'http://localhost:4318/v1/traces', 5000, 'none', { a: '1', b: '2' }],
    ['grpc', 'http://localhost:4317', 400, 'gzip', { a: '1', b: '3' }],
    ['http/protobuf', 'http://localhost:4318/v1/logs', 600, 'gzip', { a: '1', b: '2' }],
  ]);
});

describe('an endpoint is refused', () => {
  test.each([
    ['host:4318'],
    ['localhost'],
    ['//host'],
    ['ftp://host'],
    ['http://'],
    ['unix:/run/otlp.sock'],
    ['http://%zz@host'],
  ])('%s', (endpoint) => {
    expect(() => load({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint })).toThrow(
      /OTEL_EXPORTER_OTLP_ENDPOINT is ".*": http:\/\/host:port\/path, https:\/\/host:port\/path, unix:\/\/\/path or unix-abstract:name is accepted/,
    );
  });

  test('without its password', () => {
    expect(() => load({ OTEL_EXPORTER_OTLP_ENDPOINT: 'user:geheim@host:4318' })).toThrow(
      'OTEL_EXPORTER_OTLP_ENDPOINT is "host:4318"',
    );
  });

  test.each(['unix:@otlp', 'unix-abstract:otlp', 'unix:otlp.sock'])(
    'over gRPC, which has no such socket: %s',
    (endpoint) => {
      expect(() =>
        load({ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }),
      ).toThrow('http://host:port, https://host:port, unix:///path or host:port is accepted');
    },
  );
});

describe('a warning is written', () => {
  test.each([
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://host:4317' },
      ['OTEL_EXPORTER_OTLP_ENDPOINT', '4317 is the port of OTLP over gRPC, that of HTTP is 4318'],
    ],
    [
      { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://host:4318' },
      ['OTEL_EXPORTER_OTLP_ENDPOINT', '4318 is the port of OTLP over HTTP, that of gRPC is 4317'],
    ],
    [
      { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://host:4318' },
      [
        'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
        'is used as it is: receivers have /v1/traces behind the port, mostly',
      ],
    ],
    [
      { OTEL_EXPORTER_OTLP_HEADERS: 'content-type=text/plain' },
      ['OTEL_EXPORTER_OTLP_HEADERS', "content-type: is passed over, it is the exporter's own"],
    ],
  ])('%j', (env, warning) => {
    expect(load(env).warnings).toEqual([warning]);
  });

  test('where the path of a signal is in the endpoint of all', () => {
    const setting = 'OTEL_EXPORTER_OTLP_ENDPOINT';
    const { endpoints, warnings } = load({ [setting]: 'http://host/v1/traces' });
    expect(endpoints).toEqual(withPaths('http://host/v1/traces'));
    expect(warnings).toEqual(
      SIGNAL_NAMES.map((signal) => [
        setting,
        `/v1/${signal} is appended to it, which has /v1/traces already`,
      ]),
    );
  });
});

test('what is logged has neither headers nor passwords, and the target no path', () => {
  const { config, of } = load({
    OTEL_EXPORTER_OTLP_ENDPOINT: 'https://user:geheim@host:8443/otlp',
    OTEL_EXPORTER_OTLP_HEADERS: 'api-key=geheim',
    OTEL_EXPORTER_OTLP_LOGS_HEADERS: 'api-key=geheim-too',
    HTTPS_PROXY: 'http://user:geheim@proxy:3128',
  });
  const logged = JSON.stringify(summarize(config));
  expect(logged).not.toContain('geheim');
  expect(logged).toContain('"endpoint":"https://host:8443/otlp/v1/traces"');
  expect(new ExporterStatus(of('traces')).target).toBe('host:8443');
});
