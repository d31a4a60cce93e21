import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { freePort } from '../../src/demo/ports.ts';
import { until } from '../agent-process.ts';
import { afterwards, receive, startExporting } from './exporting-agent.ts';
import { expectExactly, send } from './hops.ts';

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  afterwards(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as { port: number }).port;
}

/** A proxy that connects every CONNECT to this port, or answers with a status. */
async function startProxy(answer: { readonly to: number } | { readonly status: number }) {
  const asked: string[] = [];
  const authorizations: (string | undefined)[] = [];
  const server = createHttpServer();
  server.on('connect', ({ url, headers }, socket) => {
    asked.push(url ?? '');
    authorizations.push(headers['proxy-authorization']);
    if ('status' in answer) {
      socket.end(`HTTP/1.1 ${answer.status} No\r\n\r\n`);
      return;
    }
    const onward = connect(answer.to, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.pipe(onward).pipe(socket);
    });
    for (const end of [socket, onward]) end.on('error', () => {});
    afterwards(() => onward.destroy());
  });
  return { port: await listen(server), asked, authorizations };
}

const NAMES = ['grpc_proxy', 'https_proxy', 'http_proxy'];

test.each(NAMES)('%s does not swallow what is for loopback', async (name) => {
  const receiver = await receive();
  const proxy = await startProxy({ status: 502 });
  const agent = await startExporting(`http://127.0.0.1:${receiver.port}`, {
    [name]: `http://127.0.0.1:${proxy.port}`,
  });
  await send(agent, 0, 5);
  await until('ten spans', () => receiver.spans.length >= 10);
  expectExactly(receiver, 0, 5);
  expect(proxy.asked).toEqual([]);
});

test('nor what is for a unix socket', async () => {
  const path = `/tmp/haproxy-otel-proxy-${process.pid}.sock`;
  const receiver = await receive({ path });
  const proxy = await startProxy({ status: 502 });
  const agent = await startExporting(`unix://${path}`, {
    http_proxy: `http://127.0.0.1:${proxy.port}`,
  });
  await send(agent, 0, 5);
  await until('ten spans', () => receiver.spans.length >= 10);
  expect(proxy.asked).toEqual([]);
});

test('another host is asked through the proxy, by its name, with its password', async () => {
  const receiver = await receive();
  const proxy = await startProxy({ to: receiver.port });
  const agent = await startExporting('http://collector.invalid:4317', {
    http_proxy: `http://agent:secret@127.0.0.1:${proxy.port}`,
  });
  await send(agent, 0, 5);
  await until('ten spans', () => receiver.spans.length >= 10);
  expect(proxy.asked).toEqual(['collector.invalid:4317']);
  expect(proxy.authorizations).toEqual([`Basic ${Buffer.from('agent:secret').toString('base64')}`]);
  await agent.end();
  expect(JSON.stringify(agent.logs) + agent.output).not.toContain('secret');
});

test('unless no_proxy names it', async () => {
  const proxy = await startProxy({ status: 502 });
  const agent = await startExporting('http://collector.invalid:4317', {
    http_proxy: `http://127.0.0.1:${proxy.port}`,
    NO_PROXY: 'invalid',
    HAPROXY_OTEL_STOP_TIMEOUT: '100',
  });
  await send(agent, 0, 5);
  const { reason } = await until('the export to fail', () =>
    agent.logged('export fails, spans wait'),
  );
  expect(reason).not.toContain('proxy');
  expect(proxy.asked).toEqual([]);
});

test.each([
  [
    'that refuses',
    async () => (await startProxy({ status: 403 })).port,
    /answered CONNECT with 403/,
  ],
  ['that is away', () => freePort(), /ECONNREFUSED/],
  [
    'that hangs up',
    () => listen(createServer((socket) => socket.destroy())),
    /socket hang up|ECONNRESET/,
  ],
])('a proxy %s is named, with what it did, once', async (_name, start, failure) => {
  const port = await start();
  const agent = await startExporting('http://collector.invalid:4317', {
    http_proxy: `http://127.0.0.1:${port}`,
    HAPROXY_OTEL_STOP_TIMEOUT: '100',
  });
  await send(agent, 0, 5);
  const { reason } = await until('the export to fail', () =>
    agent.logged('export fails, spans wait'),
  );
  expect(reason).toContain(`through the proxy 127.0.0.1:${port}, set by http_proxy: `);
  expect(reason).toMatch(failure);
  expect(reason).toContain('no_proxy');
  await agent.end();
  expect(agent.output).toBe('');
});

test('a proxy that never answers costs no further connections, and works when it does', async () => {
  const receiver = await receive();
  let isSilent = true;
  let open = 0;
  const port = await listen(
    createServer((socket) => {
      open += 1;
      socket.once('close', () => {
        open -= 1;
      });
      socket.once('data', () => {
        if (isSilent) return;
        const onward = connect(receiver.port, '127.0.0.1', () => {
          socket.write('HTTP/1.1 200 OK\r\n\r\n');
          socket.pipe(onward).pipe(socket);
        });
        afterwards(() => onward.destroy());
      });
    }),
  );
  const agent = await startExporting('http://collector.invalid:4317', {
    http_proxy: `http://127.0.0.1:${port}`,
    OTEL_EXPORTER_OTLP_TIMEOUT: '1000',
  });
  await send(agent, 0, 5);
  await until('three attempts', () => open >= 3);
  isSilent = false;
  await until('ten spans', () => receiver.spans.length >= 10);
  await until('the silent ones to be closed', () => open === 1);
});
