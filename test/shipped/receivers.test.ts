import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServerCredentials } from '@grpc/grpc-js';
import { afterAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { until } from '../agent-process.ts';
import { createAuthority } from '../telemetry/authority.ts';
import { afterwards, receive, startExporting } from '../telemetry/exporting-agent.ts';
import { send } from '../telemetry/hops.ts';
import { receiveHttp } from '../telemetry/http-receiver.ts';
import { spansIn } from '../telemetry/otlp-types.ts';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-receivers-'));
afterAll(() => rmSync(folder, { recursive: true }));

const PAGE = readFileSync(join(PACKAGE_ROOT, 'docs/receivers.md'), 'utf8');

/** Its fenced blocks of a language. */
const blocks = (language: string): string[] =>
  [...PAGE.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    .filter(([, name]) => name === language)
    .map(([, , body = '']) => body);

const { authority, issue } = await createAuthority();
const caFile = join(folder, 'ca.pem');
writeFileSync(caFile, authority);

const variables = (block: string): Record<string, string> =>
  Object.fromEntries(
    block
      .trim()
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );

/** A receiver for this host by its own name, and the way there: a proxy, and an authority that the system trusts. */
async function standIn(endpoint: string, protocol: string | undefined) {
  const { hostname } = new URL(endpoint);
  const { private: key, cert } = await issue('receiver', hostname);
  const seen: { path: string; headers: Readonly<Record<string, unknown>>; spans: number }[] = [];
  let port: number;
  if (protocol === 'http/protobuf') {
    const receiver = await receiveHttp(
      (response, _index, { url, headers, body }) => {
        seen.push({ path: url, headers, spans: spansIn(body).length });
        response.end();
      },
      { tls: { key, cert } },
    );
    ({ port } = receiver);
  } else {
    const pair = { private_key: Buffer.from(key), cert_chain: Buffer.from(cert) };
    const receiver = await receive({
      credentials: ServerCredentials.createSsl(null, [pair]),
      onRequest: (request) => {
        seen.push({ path: '', headers: receiver.metadata, spans: spansIn(request).length });
      },
    });
    ({ port } = receiver);
  }
  const asked: string[] = [];
  const proxy = createServer();
  proxy.on('connect', (request, socket) => {
    asked.push(request.url ?? '');
    const onward = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.pipe(onward).pipe(socket);
    });
    for (const end of [socket, onward]) end.on('error', () => {});
    afterwards(() => onward.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  afterwards(() => proxy.close());
  const { port: proxyPort } = proxy.address() as { port: number };
  const env = {
    https_proxy: `http://127.0.0.1:${proxyPort}`,
    NODE_EXTRA_CA_CERTS: caFile,
    // gRPC's own, which a machine may have for other authorities.
    GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: '',
  };
  return { seen, asked, env, hostname };
}

describe('a recipe', () => {
  const recipes = blocks('sh').map(variables);
  const vendors = recipes.filter(({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint = '' }) =>
    endpoint.startsWith('https:'),
  );

  test('there are three of vendors, and one for two receivers', () => {
    expect([recipes.length, vendors.length]).toEqual([4, 3]);
  });

  test.each(vendors)('$OTEL_EXPORTER_OTLP_ENDPOINT', async (settings) => {
    const {
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint = '',
      OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
      OTEL_EXPORTER_OTLP_HEADERS: header = '',
    } = settings;
    const { seen, asked, env, hostname } = await standIn(endpoint, protocol);
    const agent = await startExporting(endpoint, { ...settings, ...env });
    await send(agent, 0, 3);
    await until('six spans', () => seen.reduce((sum, { spans }) => sum + spans, 0) >= 6);
    expect(asked).toEqual([`${hostname}:443`]);
    const [name = '', value = ''] = header.split(/=(.*)/s);
    expect(seen[0]?.headers[name.toLowerCase()]).toBe(decodeURIComponent(value));
    const path = protocol === 'grpc' ? '' : `${new URL(endpoint).pathname}/v1/traces`;
    expect(seen[0]?.path).toBe(path);
    expect(agent.logs.filter(({ level }) => level !== 'info')).toEqual([]);
    await agent.end();
    expect(agent.logged('stopped')).toMatchObject({ spans: { exported: 6 } });
  });

  test('for two receivers sends each signal where it is set', () => {
    const [settings = {}] = recipes.filter((recipe) => !vendors.includes(recipe));
    const warnings: string[] = [];
    const { exporters } = loadConfig(settings, undefined, (name) => warnings.push(name)).telemetry;
    expect(exporters).toMatchObject({
      traces: { kind: 'otlp', protocol: 'grpc', endpoint: 'http://127.0.0.1:4317', headers: {} },
      metrics: { kind: 'none' },
      logs: {
        kind: 'otlp',
        protocol: 'http/protobuf',
        endpoint: 'https://logs.example.com/otlp/v1/logs',
        headers: { 'api-key': 'KEY' },
      },
    });
    expect(warnings).toEqual([]);
  });
});

test('the configuration file', async () => {
  const [yaml = ''] = blocks('yaml');
  const file = join(folder, 'otel.yaml');
  writeFileSync(file, yaml);
  const { seen, env } = await standIn('https://collector.example.com', 'http/protobuf');
  const agent = await startExporting('', {
    ...env,
    OTEL_CONFIG_FILE: file,
    // Beside the file these would be ignored, with a warning.
    OTEL_BSP_SCHEDULE_DELAY: '',
    OTEL_BSP_EXPORT_TIMEOUT: '',
    OTEL_EXPORTER_OTLP_TIMEOUT: '',
    API_KEY: 'secret',
  });
  expect(agent.logged('ready')).toMatchObject({
    config: {
      sampler: { name: 'parentbased_traceidratio', ratio: 0.1 },
      formats: ['tracecontext'],
      telemetry: { scheduleDelay: 2000, resourceAttributes: { 'service.name': 'edge' } },
    },
  });
  await send(agent, 0, 3);
  await agent.end();
  expect(seen).toMatchObject([{ path: '/v1/traces', headers: { 'api-key': 'secret' }, spans: 6 }]);
  expect(agent.logs.filter(({ level }) => level !== 'info')).toEqual([]);
});
