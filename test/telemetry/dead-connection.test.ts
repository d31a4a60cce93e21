import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServerCredentials } from '@grpc/grpc-js';
import { afterAll, describe, expect, test } from 'vitest';
import { AgentProcess, until } from '../agent-process.ts';
import { OtlpReceiver } from '../otlp-receiver.ts';
import { createAuthority } from './authority.ts';
import { COUNTED, untilExported } from './exporting-agent.ts';
import { expectTraces, send } from './hops.ts';
import { spansIn } from './otlp-types.ts';
import { Relay } from './relay.ts';

/** From when a connection works again, in milliseconds: the shipped timeout of calls and of connections takes 10 s of it. */
const RECOVERY = 30_000;

/** A timeout of calls, in milliseconds, with which a ping detects a dead connection after 30 s. */
const LONG = '60000';
/** Within it neither that timeout nor the kernel has detected anything. */
const PING_RECOVERY = 50_000;

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-dead-'));
const cleanups: (() => unknown)[] = [];
afterAll(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
  rmSync(folder, { recursive: true });
});

const { authority, issue } = await createAuthority();
const { private: key, cert } = await issue('localhost');
const caFile = join(folder, 'ca.pem');
writeFileSync(caFile, authority);

async function startAll(scheme: string, silent = false, env: Record<string, string> = {}) {
  const credentials = ServerCredentials.createSsl(null, [
    { private_key: Buffer.from(key), cert_chain: Buffer.from(cert) },
  ]);
  const receiver = await OtlpReceiver.start(scheme === 'https' ? { credentials } : {});
  const relay = await Relay.start(receiver.port);
  if (silent) relay.beSilent();
  const agent = await AgentProcess.start({
    HAPROXY_OTEL_SPOP: '127.0.0.1:0',
    HAPROXY_OTEL_RECORDS: '127.0.0.1:0',
    OTEL_EXPORTER_OTLP_ENDPOINT: `${scheme}://localhost:${relay.port}`,
    OTEL_EXPORTER_OTLP_CERTIFICATE: caFile,
    OTEL_BSP_SCHEDULE_DELAY: '20',
    ...COUNTED,
    ...env,
  });
  cleanups.push(
    () => receiver.stop(),
    () => relay.stop(),
    () => agent.end('SIGKILL'),
  );
  return { receiver, relay, agent };
}

/** All hops arrived, and the operator read of it once. */
async function expectRecovery(
  { receiver, relay, agent }: Awaited<ReturnType<typeof startAll>>,
  hops: number,
  recovery = RECOVERY,
): Promise<void> {
  await until(
    'the hops to arrive',
    () => new Set(receiver.spans.map(({ traceId }) => traceId)).size === hops,
    recovery,
  );
  expectTraces(receiver, 0, hops);
  await until('the end of the episode', () => agent.logged('export works again'));
  const failing = agent.logs.filter(({ msg }) => msg === 'export fails, spans wait');
  expect(failing).toHaveLength(1);
  expect(agent.output).toBe('');
  await until('the dead connections to be closed', () => relay.established <= 1);
  await agent.end();
  expect(agent.logged('stopped')).toMatchObject({ spans: { dropped: 0, refused: 0, waiting: 0 } });
}

describe.each(['http', 'https'])('%s', (scheme) => {
  test.concurrent('a connection that freezes, and goes on later', async () => {
    const all = await startAll(scheme);
    await send(all.agent, 0, 10);
    await untilExported(all.agent, 20);
    all.relay.freeze();
    await send(all.agent, 10, 20);
    await until('the export to fail', () => all.agent.logged('export fails, spans wait'));
    await send(all.agent, 20, 30);
    all.relay.thaw();
    await expectRecovery(all, 30);
  });

  test.concurrent('a connection that everybody but the agent forgot', async () => {
    const all = await startAll(scheme);
    await send(all.agent, 0, 10);
    await untilExported(all.agent, 20);
    all.relay.forget();
    await send(all.agent, 10, 20);
    await expectRecovery(all, 20);
  });

  test.concurrent('the same with a longer timeout of calls: a ping detects it', async () => {
    const all = await startAll(scheme, false, {
      OTEL_EXPORTER_OTLP_TIMEOUT: LONG,
      OTEL_BSP_EXPORT_TIMEOUT: LONG,
    });
    await send(all.agent, 0, 10);
    await untilExported(all.agent, 20);
    all.relay.forget();
    await send(all.agent, 10, 20);
    await expectRecovery(all, 20, PING_RECOVERY);
  });

  test.concurrent.each([
    ['10 s', {}],
    ['two minutes', { OTEL_EXPORTER_OTLP_TIMEOUT: '120000', OTEL_BSP_EXPORT_TIMEOUT: '120000' }],
  ])('a peer that accepts and never speaks, with a timeout of %s', async (_name, env) => {
    const all = await startAll(scheme, true, env);
    await send(all.agent, 0, 10);
    await until('the export to fail', () => all.agent.logged('export fails, spans wait'));
    await send(all.agent, 10, 20);
    all.relay.speak();
    await expectRecovery(all, 20);
  });
});

test.concurrent.each(['forget', 'freeze'] as const)(
  'connections over HTTP that somebody in between %ss: nothing is lost',
  async (trouble) => {
    const traces = new Set<string>();
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        for (const { traceId } of spansIn(Buffer.concat(chunks))) traces.add(traceId);
        response.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const relay = await Relay.start((server.address() as AddressInfo).port);
    const agent = await AgentProcess.start({
      HAPROXY_OTEL_SPOP: '127.0.0.1:0',
      HAPROXY_OTEL_RECORDS: '127.0.0.1:0',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${relay.port}`,
      OTEL_BSP_SCHEDULE_DELAY: '20',
      // Several at a time, so that there are several connections.
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '4',
      ...COUNTED,
    });
    cleanups.push(
      () => server.close(),
      () => server.closeAllConnections(),
      () => relay.stop(),
      () => agent.end('SIGKILL'),
    );
    await send(agent, 0, 40);
    await untilExported(agent, 80);
    relay[trouble]();
    await send(agent, 40, 60);
    if (trouble === 'freeze') {
      await until('the export to fail', () => agent.logged('export fails, spans wait'));
      relay.thaw();
    }
    await until('the hops to arrive', () => traces.size === 60, RECOVERY);
    const { reason } = await until('the reason', () => agent.logged('export fails, spans wait'));
    expect(reason).toContain('no answer within 10000 ms');
    await agent.end();
    expect(agent.logged('stopped')).toMatchObject({
      spans: { exported: 120, dropped: 0, refused: 0, waiting: 0 },
    });
  },
);

test.concurrent('a receiver that is slow is pinged, and not left', async () => {
  const receiver = await OtlpReceiver.start({ delay: 20_000 });
  const agent = await AgentProcess.start({
    HAPROXY_OTEL_SPOP: '127.0.0.1:0',
    HAPROXY_OTEL_RECORDS: '127.0.0.1:0',
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
    OTEL_EXPORTER_OTLP_TIMEOUT: '60000',
    OTEL_BSP_EXPORT_TIMEOUT: '60000',
    OTEL_BSP_SCHEDULE_DELAY: '20',
    HAPROXY_OTEL_STOP_TIMEOUT: '120000',
  });
  cleanups.push(
    () => receiver.stop(),
    () => agent.end('SIGKILL'),
  );
  await send(agent, 0, 10);
  await until('the call', () => receiver.calls === 1);
  await agent.end();
  expect(agent.logged('stopped')).toMatchObject({ spans: { exported: 20, retries: 0 } });
});

test('a peer that stays silent costs one connection, and the queue stays bounded', async () => {
  const { relay, agent } = await startAll('http', true, {
    OTEL_EXPORTER_OTLP_TIMEOUT: '200',
    OTEL_BSP_MAX_QUEUE_SIZE: '2048',
    HAPROXY_OTEL_STOP_TIMEOUT: '2000',
  });
  await send(agent, 0, 5000);
  let accepted = 0;
  relay.onAccept = () => {
    accepted += 1;
  };
  await until('further connections', () => accepted >= 4);
  expect(relay.established).toBeLessThanOrEqual(2);
  await agent.end();
  const { spans } = agent.logged('stopped, with spans that could not be exported in time') as {
    spans: { dropped: number; waiting: number };
  };
  expect(spans.waiting).toBeLessThanOrEqual(2048 + 2048);
  expect(spans.waiting + spans.dropped).toBe(10_000);
});
