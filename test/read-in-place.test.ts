import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { readInPlace } from '../src/read-in-place.ts';
import { until } from './agent-process.ts';

/** Bytes of which each differs from its neighbours, and each run of 256 from the next. */
const bytesOf = (length: number, seed: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => (i * 31 + seed + (i >> 8)) & 0xff));

const folder = mkdtempSync(join(tmpdir(), 'read-in-place-'));
let sockets = 0;

/** A connection: the end of the client, and that of the server, read in place. */
async function pair(kind: string): Promise<{
  readonly client: Socket;
  readonly served: Socket;
  readonly accepted: Socket;
  readonly closed: () => Promise<void>;
}> {
  const server = createServer({ pauseOnConnect: true });
  sockets += 1;
  const path = join(folder, String(sockets));
  if (kind === 'tcp') server.listen(0, '127.0.0.1');
  else server.listen(path);
  await once(server, 'listening');
  const address = server.address();
  const client =
    typeof address === 'object' && address !== null
      ? connect(address.port, '127.0.0.1')
      : connect(path);
  const [accepted] = (await once(server, 'connection')) as [Socket];
  const served = readInPlace(accepted);
  onTestFinished(() => {
    client.destroy();
    served.destroy();
    server.close();
  });
  return {
    client,
    served,
    accepted,
    closed: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

afterAll(() => rmSync(folder, { recursive: true }));

describe.each(['tcp', 'unix'])('over %s', (kind) => {
  test('all bytes come, in order, on several connections at a time', async () => {
    const sent = [bytesOf(1_000_000, 1), bytesOf(700_001, 2)];
    const received = await Promise.all(
      sent.map(async (bytes) => {
        const { client, served } = await pair(kind);
        const chunks: Buffer[] = [];
        served.on('data', (chunk: Buffer) => chunks.push(Buffer.from(chunk)));
        client.end(bytes);
        await once(served, 'end');
        return Buffer.concat(chunks);
      }),
    );
    expect(received.map((bytes, i) => bytes.equals(sent[i] ?? bytes.subarray(1)))).toEqual([
      true,
      true,
    ]);
  });

  test('nothing is read while it is paused', async () => {
    const { client, served } = await pair(kind);
    let read = 0;
    served.on('data', (chunk: Buffer) => {
      read += chunk.length;
      served.pause();
    });
    client.write('a');
    await until('the first byte', () => read === 1);
    client.write(bytesOf(1_000, 3));
    // What was written is read by nobody as long as a whole round over another connection takes.
    const other = await pair(kind);
    other.client.write('b');
    await once(other.served, 'data');
    expect([read, served.readableLength]).toEqual([1, 0]);
    served.resume();
    await until('the rest', () => read === 1_001);
  });

  test('it writes, ends and closes as any other, and the server may close then', async () => {
    const { client, served, accepted, closed } = await pair(kind);
    served.on('data', (chunk: Buffer) => served.write(Buffer.from(chunk)));
    client.write('echo');
    const [answer] = (await once(client, 'data')) as [Buffer];
    expect(answer.toString()).toBe('echo');
    client.end();
    await once(served, 'close');
    await closed();
    expect(accepted.destroyed).toBe(true);
  });
});

test('a connection reports where it comes from', async () => {
  const { client, served } = await pair('tcp');
  expect([served.remoteAddress, served.remotePort]).toEqual(['127.0.0.1', client.localPort]);
});

test('reads share one buffer', async () => {
  const { client, served } = await pair('tcp');
  const buffers: ArrayBufferLike[] = [];
  served.on('data', (chunk: Buffer) => buffers.push(chunk.buffer));
  client.write('a');
  await until('a byte', () => buffers.length === 1);
  client.write('b');
  await until('another', () => buffers.length === 2);
  expect(buffers[1]).toBe(buffers[0]);
});

test('what has nothing behind it is left as it is', async () => {
  const { served } = await pair('tcp');
  served.destroy();
  expect(readInPlace(served)).toBe(served);
});
