import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createHttp2Server, createSecureServer } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import { afterAll, expect, test } from 'vitest';
import { until } from '../../agent-process.ts';
import { createAuthority } from '../authority.ts';
import { afterwards, COUNTED, metricOf, receive, startExporting } from '../exporting-agent.ts';
import { send } from '../hops.ts';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-fault-'));
afterAll(() => rmSync(folder, { recursive: true }));

const { authority, issue } = await createAuthority();
const { private: key, cert } = await issue('localhost');
const caFile = join(folder, 'ca.pem');
writeFileSync(caFile, authority);

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterwards(() => server.close());
  return (server.address() as AddressInfo).port;
}

const tlsReceiver = async (): Promise<number> => {
  const credentials = ServerCredentials.createSsl(null, [
    { private_key: Buffer.from(key), cert_chain: Buffer.from(cert) },
  ]);
  return (await receive({ credentials })).port;
};
const mutualTlsReceiver = async (): Promise<number> => {
  const pair = { private_key: Buffer.from(key), cert_chain: Buffer.from(cert) };
  const credentials = ServerCredentials.createSsl(Buffer.from(authority), [pair], true);
  return (await receive({ credentials })).port;
};
const page = (
  _request: unknown,
  response: { writeHead: (...args: never[]) => unknown; end: (text: string) => unknown },
): void => {
  (response.writeHead as (status: number, headers: object) => unknown)(200, {
    'content-type': 'text/html',
  });
  response.end('<html><body>It works!</body></html>');
};

const USE_HTTPS = 'OTEL_EXPORTER_OTLP_ENDPOINT has to begin with https://';
const USE_HTTP = 'OTEL_EXPORTER_OTLP_ENDPOINT has to begin with http://';
const NO_HTTP2 = 'does not speak HTTP/2, which gRPC needs: OTEL_EXPORTER_OTLP_ENDPOINT has to name';
const A_PAGE = 'answers with text/html in place of gRPC: OTEL_EXPORTER_OTLP_ENDPOINT has to name';

test.each<[string, string, () => Promise<number>, string]>([
  ['http', 'a receiver with TLS', tlsReceiver, USE_HTTPS],
  ['http', 'a receiver that wants a certificate', mutualTlsReceiver, USE_HTTPS],
  ['http', 'an HTTPS server', () => listen(createHttpsServer({ key, cert }, page)), USE_HTTPS],
  ['https', 'a receiver without TLS', async () => (await receive()).port, USE_HTTP],
  ['http', 'an HTTP/1.1 server', () => listen(createServer(page)), NO_HTTP2],
  [
    'https',
    'an HTTPS server without HTTP/2',
    () => listen(createHttpsServer({ key, cert }, page)),
    NO_HTTP2,
  ],
  [
    'https',
    'a TLS server that answers in HTTP/1.1 whatever is asked',
    () =>
      listen(
        createTlsServer({ key, cert }, (socket) => {
          socket
            .on('error', () => {})
            .once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
        }),
      ),
    NO_HTTP2,
  ],
  ['http', 'a page of a balancer', () => listen(createHttp2Server(page)), A_PAGE],
  ['https', 'a page of a balancer', () => listen(createSecureServer({ key, cert }, page)), A_PAGE],
])(
  '%s:// to %s is logged in words of the settings, and spans wait',
  async (scheme, _name, start, words) => {
    const port = await start();
    const agent = await startExporting(`${scheme}://localhost:${port}`, {
      OTEL_EXPORTER_OTLP_CERTIFICATE: caFile,
      HAPROXY_OTEL_STOP_TIMEOUT: '100',
      ...COUNTED,
    });
    await send(agent, 0, 5);
    const { reason } = await until('the export to fail', () =>
      agent.logged('export fails, spans wait'),
    );
    expect(reason).toContain(`localhost:${port} `);
    expect(reason).toContain(words);
    expect(await metricOf(agent, 'spans_queued')).toBe(10);
    await agent.end();
    expect(agent.logged('stopped, with spans that could not be exported in time')).toBeDefined();
    expect(agent.output).toBe('');
  },
);

test('for an endpoint without a scheme the setting that chose for it is named', async () => {
  const port = await tlsReceiver();
  const agent = await startExporting(`localhost:${port}`, {
    OTEL_EXPORTER_OTLP_INSECURE: 'true',
    HAPROXY_OTEL_STOP_TIMEOUT: '100',
  });
  await send(agent, 0, 1);
  const { reason } = await until('the export to fail', () =>
    agent.logged('export fails, spans wait'),
  );
  expect(reason).toContain('OTEL_EXPORTER_OTLP_INSECURE has to be false');
});

test('a certificate of a private authority names the setting for it', async () => {
  const port = await tlsReceiver();
  const agent = await startExporting(`https://localhost:${port}`, {
    HAPROXY_OTEL_STOP_TIMEOUT: '100',
  });
  await send(agent, 0, 1);
  const { reason } = await until('the export to fail', () =>
    agent.logged('export fails, spans wait'),
  );
  expect(reason).toContain('OTEL_EXPORTER_OTLP_CERTIFICATE');
});
