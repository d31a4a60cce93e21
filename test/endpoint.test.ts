import { expect, test } from 'vitest';
import { loadConfig } from '../src/config/config.ts';
import { summarize } from '../src/config/summary.ts';
import {
  hostAndPort,
  parseHostAndPort,
  portOf,
  targetOf,
  withoutUserInfo,
} from '../src/endpoint.ts';
import { ExporterStatus } from '../src/telemetry/export/exporter-status.ts';

test.each([
  ['http://user:geheim@host:4317/v1', 'http://host:4317/v1', 'host:4317'],
  ['HTTPS://user:geheim@[::1]:4317', 'HTTPS://[::1]:4317', '[::1]:4317'],
  ['http://user:ge@heim@host', 'http://host', 'host'],
  ['user:geheim@host:4317', 'host:4317', 'host:4317'],
  ['host:4317', 'host:4317', 'host:4317'],
  ['http://host/a@b?c@d', 'http://host/a@b?c@d', 'host'],
  ['unix:///run/otel.sock', 'unix:///run/otel.sock', 'unix:///run/otel.sock'],
  ['unix:///run/a@b.sock', 'unix:///run/a@b.sock', 'unix:///run/a@b.sock'],
])('%s without its user is %s, its target %s', (endpoint, bare, target) => {
  expect([withoutUserInfo(endpoint), targetOf(endpoint)]).toEqual([bare, target]);
});

test.each([
  ['http://host:80/', 80],
  ['http://host:80/otlp?a=b:1', 80],
  ['https://user:99@host:443/v1/traces', 443],
  ['https://[::1]:443', 443],
  ['https://[::1]/', undefined],
  ['http://host/a:80', undefined],
  ['host:4317', 4317],
  ['host', undefined],
  ['unix:///run/otel:80', undefined],
])('the port that is written in %s is %s', (endpoint, port) => {
  expect(portOf(endpoint)).toBe(port);
});

test.each(['user:geheim@host:4317', 'https://user:geheim@host:4317'])(
  'the password in %s is neither logged nor shown',
  (endpoint) => {
    const config = loadConfig({
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      HAPROXY_OTEL_TRACE_URL: 'https://user:geheim@ui.internal/trace/{traceId}',
    });
    const told = JSON.stringify(summarize(config));
    expect(told).not.toContain('geheim');
    expect(told).toContain('https://ui.internal/trace/{traceId}');
    expect(new ExporterStatus(config.telemetry.exporters.traces).target).toBe('host:4317');
  },
);

test.each([
  ['host:80', 'host', 80],
  ['host', 'host', undefined],
  ['[::1]:80', '::1', 80],
  ['[::1]', '::1', undefined],
  ['127.0.0.1:65535', '127.0.0.1', 65_535],
])('%s is the host %s and the port %s', (text, host, port) => {
  expect(parseHostAndPort(text)).toEqual({ host, port });
  expect(hostAndPort(host, port)).toBe(text);
});

test.each(['', ':80', 'host:', 'host:65536', '::1', '[host]:80', '[::1', 'a:b', 'host:80/path'])(
  '%s is no host and port',
  (text) => {
    expect(parseHostAndPort(text)).toBeUndefined();
  },
);
