import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type Config, loadConfig } from '../../src/config/config.ts';
import { gatherSettings } from '../../src/config/settings-file.ts';
import { summarize } from '../../src/config/summary.ts';
import { SETTINGS, type Setting, type SettingName } from '../../src/config/table.ts';
import { adopt } from '../../src/reload.ts';
import type { Env, Warn } from '../../src/settings.ts';
import { SOCKETS_VARIABLE } from '../../src/upgrade/messages.ts';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-table-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const SECRET = 'hunter2-hunter2-hunter2';

/** Each setting as somebody may set it: not as its default is. */
const SAMPLES: Readonly<Record<SettingName, string>> = {
  HAPROXY_OTEL_CONFIG: file('settings.env', 'HAPROXY_OTEL_STOP_TIMEOUT=1'),
  HAPROXY_OTEL_SPOP: 'abns@spop',
  HAPROXY_OTEL_RECORDS: 'unix:/run/records',
  HAPROXY_OTEL_ADMIN: 'off',
  HAPROXY_OTEL_ADMIN_TOKEN_FILE: file('token', SECRET),
  HAPROXY_OTEL_ADMIN_HOSTS: 'lb.example',
  HAPROXY_OTEL_TRACE_URL: `https://user:${SECRET}@ui.example/{traceId}`,
  HAPROXY_OTEL_MAX_CONNECTIONS: '5',
  HAPROXY_OTEL_MAX_FRAME_SIZE: '16380',
  HAPROXY_OTEL_HELLO_TIMEOUT: '5',
  HAPROXY_OTEL_TLS_CERTIFICATE: file('agent.pem', ''),
  HAPROXY_OTEL_TLS_KEY: file('agent.key', SECRET),
  HAPROXY_OTEL_TLS_CLIENT_CA: file('ca.pem', ''),
  HAPROXY_OTEL_STOP_TIMEOUT: '5',
  OTEL_CONFIG_FILE: file('otel.yaml', 'file_format: "1.0"\nlog_level: debug\n'),
  OTEL_LOG_LEVEL: 'debug',
  OTEL_SERVICE_NAME: 'lb',
  OTEL_RESOURCE_ATTRIBUTES: 'region=eu',
  OTEL_SDK_DISABLED: 'true',
  OTEL_TRACES_SAMPLER: 'always_off',
  OTEL_TRACES_SAMPLER_ARG: '0.5',
  OTEL_PROPAGATORS: 'b3',
  HAPROXY_OTEL_MAX_TRACES_PER_SECOND: '5',
  HAPROXY_OTEL_KEEP_ERRORS: 'true',
  HAPROXY_OTEL_KEEP_SLOWER_THAN: '5',
  HAPROXY_OTEL_KEEP_PER_SECOND: '5',
  HAPROXY_OTEL_CONNECTION_ERRORS: 'span',
  HAPROXY_OTEL_BAGGAGE_KEYS: 'tenant',
  HAPROXY_OTEL_QUERY: 'none',
  OTEL_ATTRIBUTE_COUNT_LIMIT: '5',
  OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: '5',
  OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: '5',
  OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: '5',
  OTEL_BSP_SCHEDULE_DELAY: '5',
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '5',
  OTEL_BSP_MAX_QUEUE_SIZE: '5000',
  OTEL_BSP_EXPORT_TIMEOUT: '5',
  HAPROXY_OTEL_QUEUE_BYTES: '2000000',
  HAPROXY_OTEL_BATCH_BYTES: '2000',
  OTEL_TRACES_EXPORTER: 'none',
  OTEL_METRICS_EXPORTER: 'none',
  OTEL_LOGS_EXPORTER: 'none',
  OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
  OTEL_EXPORTER_OTLP_ENDPOINT: `http://user:${SECRET}@collector.example:4317`,
  OTEL_EXPORTER_OTLP_INSECURE: 'true',
  OTEL_EXPORTER_OTLP_HEADERS: `api-key=${SECRET}`,
  HAPROXY_OTEL_OTLP_HEADERS_FILE: file('headers', `api-key: ${SECRET}`),
  OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
  OTEL_EXPORTER_OTLP_TIMEOUT: '5',
  OTEL_EXPORTER_OTLP_CERTIFICATE: file('ca.pem', ''),
  OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: file('certificate.pem', ''),
  OTEL_EXPORTER_OTLP_CLIENT_KEY: file('key.pem', SECRET),
  HAPROXY_OTEL_LOGS: 'failed',
  HAPROXY_OTEL_LOGS_BODY: 'summary',
  OTEL_BLRP_SCHEDULE_DELAY: '5',
  OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: '5',
  OTEL_BLRP_MAX_QUEUE_SIZE: '5000',
  OTEL_BLRP_EXPORT_TIMEOUT: '5',
  OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT: '5',
  OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT: '5',
  OTEL_METRIC_EXPORT_INTERVAL: '5',
  OTEL_METRIC_EXPORT_TIMEOUT: '5',
  OTEL_METRICS_EXEMPLAR_FILTER: 'always_on',
  OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'delta',
  OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION: 'base2_exponential_bucket_histogram',
};

/** Where each setting makes a difference. */
const EXPORTING: Env = {
  HAPROXY_OTEL_TLS_CERTIFICATE: file('other-agent.pem', ''),
  HAPROXY_OTEL_TLS_KEY: file('other-agent.key', ''),
  HAPROXY_OTEL_TLS_CLIENT_CA: file('other-ca.pem', ''),
  OTEL_METRICS_EXPORTER: 'otlp',
  OTEL_LOGS_EXPORTER: 'otlp',
  OTEL_TRACES_SAMPLER: 'traceidratio',
  OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: file('other.pem', ''),
  OTEL_EXPORTER_OTLP_CLIENT_KEY: file('other.key', ''),
};
/** As a file of OpenTelemetry's has it where nothing is in it. */
const NOTHING: Env = { OTEL_TRACES_EXPORTER: 'none', OTEL_PROPAGATORS: 'none' };

const load = (env: Env, warn?: Warn): Config =>
  loadConfig(gatherSettings(env, {}), undefined, warn);

const names = Object.keys(SETTINGS) as SettingName[];
const rows: readonly (readonly [SettingName, Setting])[] = names.map((name) => [
  name,
  SETTINGS[name],
]);

describe.each(rows)('%s', (name, { type, default: written, readIn, reload, secret, strict }) => {
  const base = name === 'OTEL_CONFIG_FILE' ? NOTHING : EXPORTING;
  const before = load(base);
  const after = load({ ...base, [name]: SAMPLES[name] });

  test('is read, where the table has it', () => {
    expect(after).not.toEqual(before);
    const source = readFileSync(join(import.meta.dirname, `../../src/config/${readIn}.ts`), 'utf8');
    expect(source).toMatch(new RegExp(`\\b${name}\\b`));
  });

  test('has a default that is accepted', () => {
    if (written !== undefined) expect(type.parse(written)).toBeDefined();
  });

  test('is adopted by a reload, or not, as the table has it', () => {
    expect(adopt(before, after)).toEqual(reload === undefined ? before : after);
  });

  const unusable = '; =';
  const refuses = type.parse(unusable) === undefined;
  test(refuses ? 'is refused, or warned of' : 'is any text', () => {
    if (!refuses) {
      expect(type.parse('any text')).toBeDefined();
      return;
    }
    const warned: string[] = [];
    const read = (): Config =>
      load({ ...base, [name]: unusable }, (setting) => warned.push(setting));
    if (strict || name.startsWith('HAPROXY_')) {
      expect(read).toThrow(`${name} is "${unusable}": ${type.accepts} is accepted`);
    } else {
      expect(read()).toEqual(load({ ...base, [name]: undefined }));
      expect(warned).toEqual([name]);
    }
  });

  if (secret === undefined) return;
  test('is a secret that is not logged', () => {
    const logged = JSON.stringify(summarize(after));
    const texts = [SAMPLES[name], ...(secret === 'content' ? [readFileSync(SAMPLES[name])] : [])];
    expect(texts.join()).toContain(SECRET);
    expect(logged).not.toContain(SECRET);
    if (secret === 'content') return;
    const refused = `nonsense://user:${SECRET}@host`;
    expect(() => load({ ...base, [name]: refused })).toThrow(name);
    expect(() => load({ ...base, [name]: refused })).not.toThrow(SECRET);
  });
});

test('no other setting of the agent is named in the code', () => {
  const root = join(import.meta.dirname, '../../src');
  const source = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.(ts|js|html)$/.test(path))
    .map((path) => readFileSync(join(root, path), 'utf8'))
    .join('\n');
  const named = new Set(source.match(/\bHAPROXY_OTEL_[A-Z_]*[A-Z]\b/g));
  named.delete(SOCKETS_VARIABLE);
  expect([...named].filter((name) => !Object.hasOwn(SETTINGS, name))).toEqual([]);
});
