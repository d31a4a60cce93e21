import { createServer, type Server } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterEach, expect, test } from 'vitest';
import { Haproxy } from '../../src/demo/haproxy.ts';
import { freePorts } from '../../src/demo/ports.ts';
import { socketPath } from '../../src/listen-address.ts';
import { readInPlace } from '../../src/read-in-place.ts';
import type { AgeLimits } from '../../src/records/connection-age.ts';
import { RecordReceiver } from '../../src/records/receiver.ts';
import { until } from '../agent-process.ts';
import { HAPROXY, VERSION } from './chain.ts';
import { type Account, expectConserved, sentence } from './conservation.ts';
import { droppedByRings } from './counting.ts';
import { Load } from './load.ts';

const CLOSES_IN_ORDER = VERSION.includes('version 2.6');
/** Up to 3.0 `max-reuse` is nothing to a ring. */
const HAS_MAX_REUSE = !/version (2|3\.0)\./.test(VERSION);

/** Of one HAProxy: its rings log the same to connections of their own. */
const RINGS = 4;
const RATE = 500;
const ROUNDS = 4;
/** For how long a ring writes nothing before its connection is renewed, in milliseconds. */
const IDLE_TIME = 50;

const ends: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Syslog's number of the facility by which the first ring is known. */
const LOCAL0 = 16;

function ring(index: number, port: number, options: string): string {
  return `ring r${index}
    format rfc3164
    maxlen 16300
    size 8388608
    timeout connect 1s
    timeout server 10s
    .if version_atleast(2.8)
    server agent 127.0.0.1:${port}${options}
    .else
    server agent 127.0.0.1:${port} log-proto octet-count
    .endif
`;
}

/** What the agent does with connections of rings, with shorter lives; HAProxy gives each record an id. */
class Rings {
  readonly http: number;
  /** By ring: how often each record came. */
  readonly records: readonly Map<string, number>[];
  connections = 0;
  /** When a record of each ring came last, and the longest time without one since this was emptied. */
  private readonly latest: number[] = [];
  longestPause = 0;
  /** Of renewals, in milliseconds. */
  readonly renewed: number[] = [];

  private readonly name: string;

  private constructor(http: number) {
    this.http = http;
    this.name = `otel-rings-${http}`;
    this.records = Array.from({ length: RINGS }, () => new Map());
  }

  static async start(limits: AgeLimits, server = ''): Promise<Rings> {
    const ports = await freePorts();
    const rings = new Rings(ports.http);
    const receiver = new RecordReceiver(
      {
        onRecord: (buffer, start, end) => rings.count(buffer.toString('latin1', start, end)),
        onRenew: () => rings.renewed.push(performance.now()),
      },
      limits,
    );
    const listener = await rings.listen(ports.records, receiver);
    ends.push(() => listener.close());
    ends.push(() => receiver.stop(1_000));
    const config = `global
    stats socket abns@${rings.name}

defaults
    mode http
    timeout client 30s
    timeout server 5s
    timeout connect 2s
${rings.records.map((_, index) => ring(index, ports.records, server)).join('')}
frontend www
    bind 127.0.0.1:${ports.http}
${rings.records.map((_, index) => `    log ring@r${index} len 16300 format rfc3164 local${index} info`).join('\n')}
    log-format "id=%[uuid()] ${'x'.repeat(900)}"
    http-request return status 200 content-type text/plain string ok
`;
    const haproxy = await Haproxy.start({ ports, command: [HAPROXY], edit: () => config });
    ends.push(() => haproxy.stop('SIGKILL'));
    await until('all rings to be connected', () => rings.connections >= RINGS);
    return rings;
  }

  private get stats(): string {
    return socketPath({ kind: 'abstract', name: this.name, padded: true });
  }

  /** Waits for the last records; a connection without a request has one too. */
  async settle(what: string, { answered }: Pick<Load, 'answered'>): Promise<Account> {
    const counts = (): number[] => this.records.map(({ size }) => size);
    const ids = (): Set<string> => new Set(this.records.flatMap((records) => [...records.keys()]));
    let before: number[] = [];
    let still = 0;
    await until('the last records', async () => {
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      const now = counts();
      still = now.every((count, index) => count === before[index]) ? still + 1 : 0;
      before = now;
      // A ring that is not connected just now has more to send, which on a busy machine lasts.
      const { size } = ids();
      return still > (now.every((count) => count === size) ? 0 : 2);
    });
    const all = ids();
    expect(all.size).toBeGreaterThanOrEqual(answered);
    const times = this.records.flatMap((records) => [...records.values()]);
    const account: Account = {
      requests: all.size * RINGS,
      exported: before.reduce((sum, count) => sum + count, 0),
      doubled: times.filter((count) => count > 1).length,
      droppedByHaproxy: await droppedByRings(this.stats),
      droppedByAgent: 0,
    };
    console.log(
      `${what}, ${RINGS} rings, ${this.renewed.length} renewals, ${this.connections} connections: ` +
        sentence(account),
    );
    return account;
  }

  private count(line: string): void {
    const [, priority, id] = /^<(\d+)>.* id=(\S+)/.exec(line) ?? [];
    const records = this.records[(Number(priority) >> 3) - LOCAL0];
    if (records === undefined || id === undefined) throw new Error(`no record: ${line}`);
    records.set(id, (records.get(id) ?? 0) + 1);
    const now = performance.now();
    const index = this.records.indexOf(records);
    this.longestPause = Math.max(this.longestPause, now - (this.latest[index] ?? now));
    this.latest[index] = now;
  }

  private async listen(port: number, receiver: RecordReceiver): Promise<Server> {
    const server = createServer({ pauseOnConnect: true }, (socket) => {
      this.connections += 1;
      receiver.accept(readInPlace(socket));
    });
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    return server;
  }
}

const startLoad = ({ http }: Rings): Load =>
  new Load({ port: http, path: '/', connections: 8, rate: RATE });

test('connections are renewed when the ring is quiet, and nothing is lost or doubled', async () => {
  const tick = 500;
  const rings = await Rings.start({ from: 3_000, until: 600_000, jitter: 200, tick });
  const load = { answered: 0 };
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  ends.push(() => delay.disable());
  for (let round = 1; round <= ROUNDS; round += 1) {
    const before = rings.renewed.length;
    const busy = startLoad(rings);
    await busy.more(1);
    rings.longestPause = 0;
    // All get old enough, and none is renewed as long as records come at a high rate.
    const end = performance.now() + 3_500;
    await until('all to be old', () => performance.now() > end);
    const renewed = rings.renewed.length - before;
    // A machine that holds everything up for that long is as quiet to the agent as a ring that writes nothing.
    expect(rings.longestPause < tick ? renewed : 0).toBe(0);
    await busy.stop();
    expect(busy.failures).toEqual([]);
    load.answered += busy.answered;
    await until('the renewals', () => rings.renewed.length >= before + renewed + RINGS);
    await until('all rings to be connected', () => {
      return rings.connections >= RINGS + rings.renewed.length;
    });
  }
  const account = await rings.settle('renewed in quiet', load);
  // Where processes are held up for longer than the silence that a renewal waits for, it is no silence.
  const isQuiet = CLOSES_IN_ORDER || delay.max < IDLE_TIME * 1e6;
  expectConserved(account, isQuiet ? {} : { uncounted: rings.renewed.length * RATE * 0.02 });
  // One after the other.
  const pauses = rings.renewed.slice(1).map((at, index) => at - (rings.renewed[index] ?? 0));
  expect(Math.min(...pauses)).toBeGreaterThan(tick - 2 * IDLE_TIME - delay.max / 1e6);
});

test('one that is never quiet is renewed in time', async () => {
  const rings = await Rings.start({ from: 600, until: 1_200, jitter: 300, tick: 100 });
  const load = startLoad(rings);
  await until('renewals', () => rings.renewed.length >= 20);
  await load.stop();
  const account = await rings.settle('renewed under load', load);
  expectConserved(account, {
    uncounted: CLOSES_IN_ORDER ? 0 : rings.renewed.length * RATE * 0.02,
  });
});

test.runIf(HAS_MAX_REUSE)(
  'HAProxy itself renews them by "max-reuse", and loses nothing',
  async () => {
    const never = { from: 600_000, until: 600_000, jitter: 0, tick: 100 };
    const rings = await Rings.start(never, ` max-reuse ${RATE}`);
    const load = startLoad(rings);
    await until('renewals', () => rings.connections >= 5 * RINGS);
    await load.stop();
    expectConserved(await rings.settle('renewed by HAProxy', load));
  },
);
