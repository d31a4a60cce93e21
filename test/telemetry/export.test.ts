import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Metadata, ServerCredentials, status } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { generate } from 'selfsigned';
import { afterAll, describe, expect, test } from 'vitest';
import { freePort } from '../../src/demo/ports.ts';
import { until } from '../agent-process.ts';
import { hopOf, octetCounted, recordLine } from '../records/lines.ts';
import { createAuthority } from './authority.ts';
import { receive, startExporting } from './exporting-agent.ts';
import { expectExactly, send } from './hops.ts';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-export-'));
afterAll(() => rmSync(folder, { recursive: true }));

const start = startExporting;

/** Batches go out when they are full, or the agent stops: in milliseconds. */
const NEVER = '3600000';

test('batches are as large and as late as OTEL_BSP_* sets', async () => {
  const sizes: number[] = [];
  const { endpoint } = await receive({ onSpans: (spans) => sizes.push(spans.length) });
  const full = await start(endpoint, {
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '64',
    OTEL_BSP_SCHEDULE_DELAY: NEVER,
  });
  await send(full, 0, 100);
  await until('three batches', () => sizes.length >= 3);
  expect(sizes).toEqual([64, 64, 64]);
  await full.end();
  expect(sizes).toEqual([64, 64, 64, 8]);
  const late = await start(endpoint, { OTEL_BSP_SCHEDULE_DELAY: '300' });
  const sent = performance.now();
  await send(late, 0, 1);
  await until('the batch', () => sizes.length > 4);
  // Timers of Node are a millisecond early at most.
  expect(performance.now() - sent).toBeGreaterThanOrEqual(299);
});

test('hops in small batches and then in full ones all arrive, whatever memory Node shares out', async () => {
  const receiver = await receive();
  const agent = await start(receiver.endpoint, { OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '80' });
  for (let i = 0; i < 10; i += 1) {
    await send(agent, i, i + 1);
    await until('a small batch', () => receiver.spans.length >= 2 * (i + 1));
  }
  await send(agent, 10, 360);
  await until('720 spans', () => receiver.spans.length >= 720);
  expectExactly(receiver, 0, 360);
  await agent.end();
  expect(agent.logged('stopped')).toMatchObject({ spans: { exported: 720, refused: 0 } });
});

test('headers come from the environment and from a file, and stay secret', async () => {
  const file = join(folder, 'headers');
  writeFileSync(file, 'lightstep-access-token: secret\n', { mode: 0o600 });
  const receiver = await receive();
  const agent = await start(receiver.endpoint, {
    OTEL_EXPORTER_OTLP_HEADERS: 'x-scope-orgid=tenant%201',
    HAPROXY_OTEL_OTLP_HEADERS_FILE: file,
  });
  await send(agent, 0, 3);
  await until('six spans', () => receiver.spans.length === 6);
  expect(receiver.metadata).toMatchObject({
    'x-scope-orgid': 'tenant 1',
    'lightstep-access-token': 'secret',
    'user-agent': expect.stringContaining('haproxy-otel-spoa'),
  });
  await agent.end();
  expect(JSON.stringify(agent.logs) + agent.output).not.toContain('secret');
});

test('gzip makes the bytes on the wire fewer', async () => {
  const bytesOnTheWire = async (compression: string): Promise<number> => {
    const receiver = await receive();
    let bytes = 0;
    const wire = createServer((socket) => {
      const onward = connect(receiver.port, '127.0.0.1');
      socket.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      socket.pipe(onward).pipe(socket);
      for (const end of [socket, onward]) end.on('error', () => {});
    });
    await new Promise<void>((resolve) => wire.listen(0, '127.0.0.1', resolve));
    const { port } = wire.address() as { port: number };
    const agent = await start(`http://127.0.0.1:${port}`, {
      OTEL_EXPORTER_OTLP_COMPRESSION: compression,
      // All in one batch.
      OTEL_BSP_SCHEDULE_DELAY: NEVER,
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '512',
    });
    await send(agent, 0, 256);
    await until('512 spans', () => receiver.spans.length >= 512);
    wire.close();
    return bytes;
  };
  expect((await bytesOnTheWire('gzip')) * 3).toBeLessThan(await bytesOnTheWire('none'));
});

describe('TLS', async () => {
  const { authority, issue } = await createAuthority();
  const server = await issue('localhost');
  const client = await issue('agent');
  const stranger = await generate([{ name: 'commonName', value: 'stranger' }]);

  const pem = (name: string, content: string): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  const caFile = pem('ca.pem', authority);
  const credentials = (mutual: boolean): ServerCredentials =>
    ServerCredentials.createSsl(
      Buffer.from(authority),
      [{ private_key: Buffer.from(server.private), cert_chain: Buffer.from(server.cert) }],
      mutual,
    );

  test('the receiver is known by its authority', async () => {
    const receiver = await receive({ credentials: credentials(false) });
    const agent = await start(`https://localhost:${receiver.port}`, {
      OTEL_EXPORTER_OTLP_CERTIFICATE: caFile,
    });
    await send(agent, 0, 1);
    await until('two spans', () => receiver.spans.length === 2);
  });

  test('the agent shows its own certificate', async () => {
    const receiver = await receive({ credentials: credentials(true) });
    const agent = await start(`https://localhost:${receiver.port}`, {
      OTEL_EXPORTER_OTLP_CERTIFICATE: caFile,
      OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: pem('client.pem', client.cert),
      OTEL_EXPORTER_OTLP_CLIENT_KEY: pem('client.key', client.private),
    });
    await send(agent, 0, 1);
    await until('two spans', () => receiver.spans.length === 2);
  });

  test('a receiver of another authority gets nothing, and spans wait', async () => {
    const receiver = await receive({ credentials: credentials(false) });
    const agent = await start(`https://localhost:${receiver.port}`, {
      OTEL_EXPORTER_OTLP_CERTIFICATE: pem('stranger.pem', stranger.cert),
      HAPROXY_OTEL_STOP_TIMEOUT: '100',
    });
    await send(agent, 0, 1);
    const failing = await until('the export to fail', () =>
      agent.logged('export fails, spans wait'),
    );
    expect(failing.reason).toContain('UNAVAILABLE');
    expect(receiver.spans).toEqual([]);
  });
});

/** google.rpc.Status with a RetryInfo of this many milliseconds, as receivers send it. */
function retryInfo(milliseconds: number): Metadata {
  const { root } = protobuf.parse(`
    syntax = "proto3";
    message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
    message Any { string type_url = 1; bytes value = 2; }
    message RetryInfo { Duration retry_delay = 1; }
    message Duration { int64 seconds = 1; int32 nanos = 2; }
  `);
  const encode = (type: string, value: object): Uint8Array => {
    const message = root.lookupType(type);
    return message.encode(message.fromObject(value)).finish();
  };
  const retryDelay = {
    seconds: Math.floor(milliseconds / 1000),
    nanos: (milliseconds % 1000) * 1e6,
  };
  const details = [
    {
      typeUrl: 'type.googleapis.com/google.rpc.RetryInfo',
      value: encode('RetryInfo', { retryDelay }),
    },
  ];
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from(encode('Status', { code: 8, details })));
  return metadata;
}

describe('a receiver that answers with an error', () => {
  test.each([
    ['CANCELLED', status.CANCELLED],
    ['DEADLINE_EXCEEDED', status.DEADLINE_EXCEEDED],
    ['ABORTED', status.ABORTED],
    ['OUT_OF_RANGE', status.OUT_OF_RANGE],
    ['UNAVAILABLE', status.UNAVAILABLE],
    ['DATA_LOSS', status.DATA_LOSS],
  ])('%s is asked again, and every span arrives once', async (_name, code) => {
    let failures = 2;
    const receiver = await receive({
      onExport: () => {
        failures -= 1;
        return failures >= 0 ? { code, details: 'not now' } : undefined;
      },
    });
    const agent = await start(receiver.endpoint);
    await send(agent, 0, 10);
    await until('20 spans', () => receiver.spans.length >= 20);
    expectExactly(receiver, 0, 10);
    await until('the end of the episode', () => agent.logged('export works again'));
    expect(agent.logs.filter(({ msg }) => msg === 'export fails, spans wait')).toHaveLength(1);
  });

  test.each([
    ['INVALID_ARGUMENT', status.INVALID_ARGUMENT],
    ['UNAUTHENTICATED', status.UNAUTHENTICATED],
    ['PERMISSION_DENIED', status.PERMISSION_DENIED],
    ['UNIMPLEMENTED', status.UNIMPLEMENTED],
    ['INTERNAL', status.INTERNAL],
    ['UNKNOWN', status.UNKNOWN],
  ])('%s is not, and it is counted and logged', async (_name, code) => {
    const receiver = await receive({ onExport: () => ({ code, details: 'never' }) });
    const agent = await start(receiver.endpoint);
    await send(agent, 0, 10);
    await until('the refusal', () => agent.logged('the receiver refuses spans'));
    await agent.end();
    expect(receiver.calls).toBe(1);
    expect(agent.logged('stopped')).toMatchObject({ spans: { exported: 0, refused: 20 } });
  });

  test('RESOURCE_EXHAUSTED with RetryInfo is asked again after that time', async () => {
    const times: number[] = [];
    const receiver = await receive({
      onExport: () => {
        times.push(performance.now());
        return times.length === 1
          ? { code: status.RESOURCE_EXHAUSTED, details: 'busy', metadata: retryInfo(1200) }
          : undefined;
      },
    });
    const agent = await start(receiver.endpoint);
    await send(agent, 0, 1);
    await until('two spans', () => receiver.spans.length === 2);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(1190);
  });
});

test('a receiver that is away while 60,000 spans come costs none of them', async () => {
  const port = await freePort();
  const agent = await start(`http://127.0.0.1:${port}`, { OTEL_BSP_SCHEDULE_DELAY: '1000' });
  await send(agent, 0, 30_000);
  await until('the export to fail', () => agent.logged('export fails, spans wait'));
  const receiver = await receive({ port });
  await until('60,000 spans', () => receiver.spans.length >= 60_000);
  expectExactly(receiver, 0, 30_000);
  expect(agent.logged('export queue is full, the oldest spans are dropped')).toBeUndefined();
});

test('a receiver that goes away for 30 s at 1,000 hops a second costs no span', async () => {
  const port = await freePort();
  // Those that were on their way when it went arrive twice.
  const ids = new Set<string>();
  const receiveIds = () =>
    receive({
      port,
      onSpans: (spans) => {
        for (const { spanId } of spans) ids.add(spanId);
      },
    });
  const before = await receiveIds();
  const agent = await start(`http://127.0.0.1:${port}`);
  const hops = async (from: number, to: number): Promise<void> => {
    for (let i = from; i < to; i += 100) {
      const next = new Promise((resolve) => setTimeout(resolve, 100));
      await send(agent, i, i + 100);
      await next;
    }
  };
  await hops(0, 1000);
  await until('the first spans', () => ids.size > 0);
  before.stop();
  await hops(1000, 31_000);
  await receiveIds();
  await hops(31_000, 32_000);
  await until('all spans', () => ids.size >= 64_000);
  expect(ids.size).toBe(64_000);
  await agent.end();
  expect(agent.logged('stopped')).toMatchObject({ spans: { dropped: 0, refused: 0, waiting: 0 } });
});

test('hops with long paths fit into what a receiver accepts', async () => {
  const receiver = await receive();
  const agent = await start(receiver.endpoint, { OTEL_BSP_SCHEDULE_DELAY: '500' });
  const target = `/${'x'.repeat(8000)}`;
  const port = Number(String(agent.logged('ready')?.records).split(':').at(-1));
  const socket = connect(port, '127.0.0.1');
  for (let i = 0; i < 600; i += 1) socket.write(octetCounted(recordLine(hopOf(i), { target })));
  socket.end();
  await until('1,200 spans', () => receiver.spans.length >= 1200);
  expectExactly(receiver, 0, 600);
});

test('spans on their way to a receiver that never answers are counted as lost', async () => {
  const silent = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as { port: number };
  const agent = await start(`http://127.0.0.1:${port}`, { HAPROXY_OTEL_STOP_TIMEOUT: '2000' });
  await send(agent, 0, 5);
  await agent.end();
  silent.close();
  expect(agent.logged('stopped, with spans that could not be exported in time')).toMatchObject({
    spans: { exported: 0, waiting: 10 },
  });
});

test('beyond its limit the queue drops the oldest, counted and logged once', async () => {
  const port = await freePort();
  const agent = await start(`http://127.0.0.1:${port}`, { OTEL_BSP_MAX_QUEUE_SIZE: '2048' });
  await send(agent, 0, 5000);
  const receiver = await receive({ port });
  const dropped = await until('the end of the episode', () =>
    agent.logged('export queue has room again, spans were dropped'),
  );
  await agent.end();
  const stopped = agent.logged('stopped') as { spans: { exported: number; dropped: number } };
  expect(stopped.spans.dropped).toBe(dropped.spans);
  expect(stopped.spans.exported + stopped.spans.dropped).toBe(10_000);
  expect(receiver.spans.length).toBe(stopped.spans.exported);
  // The newest are there.
  expectExactly(receiver, 5000 - receiver.spans.length / 2, 5000);
  const told = agent.logs.filter(({ level }) => level === 'error');
  expect(told).toHaveLength(2);
});
