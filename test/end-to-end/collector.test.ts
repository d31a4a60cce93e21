import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServerCredentials, status } from '@grpc/grpc-js';
import { generate } from 'selfsigned';
import { afterAll, expect, test } from 'vitest';
import { freePort } from '../../src/demo/ports.ts';
import { until } from '../agent-process.ts';
import { OtlpReceiver, type ReceiverOptions } from '../otlp-receiver.ts';
import { expectConserved } from './conservation.ts';
import { PATH, ROUNDS, residentMegabytes, settle, startCounting, Tally } from './counting.ts';
import { Load } from './load.ts';
import { patientChecks, patientEngine } from './patient-engine.ts';

const RATE = 2_000;
/** Of the shipped engine, in microseconds. */
const PROCESSING_TIMEOUT = 50_000;
/** How long each trouble lasts, in milliseconds: a minute in a soak of 20 rounds. */
const LASTING = 3_000 * ROUNDS;
/** More than any trouble makes wait on a machine that keeps up, and less than the agent's queue holds. */
const MOST_BEHIND = Math.max(20_000, (RATE * 2 * LASTING) / 1000);
/** Of the agent's exports, by default: calls at a time, and hops in each. */
const [CALLS, HOPS] = [8, 1_024];

/** An export that takes this long is within OTEL_EXPORTER_OTLP_TIMEOUT. */
const SLOW = 9_000;

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-collector-'));
afterAll(() => rmSync(folder, { recursive: true }));

const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

async function certificate(name: string): Promise<{ ca: string; credentials: ServerCredentials }> {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }], {
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
  });
  const ca = join(folder, `${name}.pem`);
  writeFileSync(ca, cert);
  const pair = { private_key: Buffer.from(key), cert_chain: Buffer.from(cert) };
  return { ca, credentials: ServerCredentials.createSsl(null, [pair]) };
}

test('a receiver in every kind of trouble under load: nothing is lost, nobody waits', async () => {
  const tally = new Tally();
  const right = await certificate('right');
  const wrong = await certificate('wrong');
  const port = await freePort();
  const receive = (options: ReceiverOptions = {}): Promise<OtlpReceiver> =>
    OtlpReceiver.start({ port, credentials: right.credentials, onSpans: tally.take, ...options });
  let receiver = await receive();
  const chain = await startCounting(tally, {
    add: { engine: patientEngine(folder) },
    editConfig: patientChecks,
    agentEnv: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `https://localhost:${port}`,
      OTEL_EXPORTER_OTLP_CERTIFICATE: right.ca,
      // Two spans a request for as long as the troubles last, and some more.
      OTEL_BSP_MAX_QUEUE_SIZE: String(Math.max(131_072, (RATE * 2 * 4 * LASTING) / 1000)),
      HAPROXY_OTEL_QUEUE_BYTES: String(2 ** 30),
    },
  });
  const memory = { before: residentMegabytes(chain.agent), after: 0 };
  // No more than the machine exports, but where the receiver is in trouble.
  let most = RATE / 2;
  const load: Load = new Load({
    port: chain.ports.http,
    path: PATH,
    connections: 32,
    rate: RATE,
    isHeld: () => load.answered - tally.hops > most,
  });
  const waits: Record<string, number[]> = {};
  const episodes = (message: string): number =>
    chain.agent.logs.filter(({ msg }) => msg === message).length;
  const FAILS = 'export fails, spans wait';
  const allOver = (): Promise<boolean> =>
    until('export to work', () => episodes(FAILS) === episodes('export works again'));
  let stops = 0;
  const stop = (): void => {
    stops += 1;
    receiver.stop();
  };
  /** Lets the trouble last, then brings a receiver that works, and waits until all has arrived. */
  const during = async (trouble: string, act: () => Promise<void>): Promise<void> => {
    tally.waits = [];
    if (trouble !== 'none') most = MOST_BEHIND;
    const before = load.answered;
    await act();
    await until('requests meanwhile', () => load.answered > before);
    if (trouble !== 'none') {
      stop();
      receiver = await receive();
    }
    most = RATE / 2;
    const answered = load.answered;
    await until('the backlog to arrive', () => tally.hops >= answered, 300_000).catch((error) => {
      console.log(`${answered - tally.hops} hops missing after the receiver's trouble ${trouble}`);
      for (const line of chain.agent.logs.slice(-5)) console.log(JSON.stringify(line));
      throw error;
    });
    waits[trouble] = tally.waits;
  };

  try {
    // An agent that has just started is slower, whatever its receiver does.
    await load.more(RATE * 2);
    await until('the first hops', () => load.answered - tally.hops < RATE, 300_000);
    tally.away = 0;
    await during('none', () => pause(LASTING));
    await allOver();
    const before = episodes(FAILS);
    await during('away', async () => {
      stop();
      await pause(LASTING);
    });
    await allOver();
    expect(episodes(FAILS)).toBe(before + 1);
    await during('slow', async () => {
      stop();
      receiver = await receive({ delay: SLOW });
      await pause(Math.max(LASTING, SLOW + 1_000));
    });
    for (const code of [status.UNAVAILABLE, status.ABORTED, status.DATA_LOSS]) {
      await during(`refusing with ${status[code]}`, async () => {
        stop();
        receiver = await receive({ onExport: () => ({ code, details: 'not now' }) });
        await pause(LASTING / 3);
      });
    }
    await during('closing connections', async () => {
      for (let left = LASTING; left > 0; left -= 300) {
        await pause(300);
        stop();
        receiver = await receive();
      }
    });
    await during('with a wrong certificate', async () => {
      stop();
      receiver = await receive({ credentials: wrong.credentials });
      await pause(LASTING);
    });
    await load.stop();
    memory.after = residentMegabytes(chain.agent);
    const account = await settle({ what: 'receiver in trouble', chain, load, tally, memory });
    const percentile = (values: number[], share: number): number =>
      values.sort((a, b) => a - b)[Math.floor(values.length * share)] ?? Number.NaN;
    for (const [trouble, values] of Object.entries(waits)) {
      console.log(
        `waited for the agent, receiver's trouble ${trouble}: median ${percentile(values, 0.5)} us, ` +
          `99th percentile ${percentile(values, 0.99)} us, ${values.length} requests`,
      );
    }
    expect(load.failures).toEqual([]);
    // A batch whose answer was lost with its connection is sent again, as OTLP wants it.
    expectConserved(account, { doubled: stops * CALLS * HOPS });
    expect(tally.away).toBe(0);
    // On a busy machine a few have to wait for the processor itself.
    const lateOf = (values: readonly number[]): number =>
      values.filter((wait) => wait > PROCESSING_TIMEOUT).length / values.length;
    const late = lateOf(Object.values(waits).flat());
    expect(late).toBeLessThan(0.01 + 3 * lateOf(waits.none ?? []));
    const quiet = percentile(waits.none ?? [], 0.5);
    for (const values of Object.values(waits)) {
      expect(percentile(values, 0.5)).toBeLessThan(quiet * 3 + 1_000);
    }
    expect(episodes('export queue is full, the oldest spans are dropped')).toBe(0);
  } finally {
    await load.stop();
    await chain.stop();
    receiver.stop();
  }
}, 1_800_000);
