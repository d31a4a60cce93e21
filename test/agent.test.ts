import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { constants, getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { Haproxy } from '../src/demo/haproxy.ts';
import { freePort, freePorts } from '../src/demo/ports.ts';
import { LOG_LEVELS } from '../src/settings.ts';
import { VERSION } from '../src/version.ts';
import { AgentProcess, until } from './agent-process.ts';
import { HAPROXY } from './end-to-end/chain.ts';
import { OtlpReceiver } from './otlp-receiver.ts';
import { hopOf, octetCounted, recordLine } from './records/lines.ts';
import { decodeAgentFrames, hello, notify } from './spop/frames.ts';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-agent-'));
const running: AgentProcess[] = [];
const receivers: OtlpReceiver[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const agent of running.splice(0)) await agent.end('SIGKILL');
  for (const receiver of receivers.splice(0)) receiver.stop();
});
afterAll(() => rmSync(folder, { recursive: true }));

/** On a busy machine nothing is lost because the agent had to stop in time, or sent twice because the answer was late. */
const PATIENT = {
  HAPROXY_OTEL_STOP_TIMEOUT: '60000',
  OTEL_EXPORTER_OTLP_TIMEOUT: '60000',
  OTEL_BSP_EXPORT_TIMEOUT: '60000',
};
const ANY_PORTS = { HAPROXY_OTEL_SPOP: '127.0.0.1:0', HAPROXY_OTEL_RECORDS: '127.0.0.1:0' };

async function start(env: Record<string, string> = {}): Promise<AgentProcess> {
  const agent = await AgentProcess.start({
    ...ANY_PORTS,
    ...PATIENT,
    OTEL_TRACES_EXPORTER: 'none',
    ...env,
  });
  running.push(agent);
  return agent;
}

async function receiver(
  ...args: Parameters<typeof OtlpReceiver.start>
): Promise<[OtlpReceiver, Record<string, string>]> {
  const started = await OtlpReceiver.start(...args);
  receivers.push(started);
  return [
    started,
    {
      OTEL_TRACES_EXPORTER: 'otlp',
      OTEL_EXPORTER_OTLP_ENDPOINT: started.endpoint,
      OTEL_BSP_SCHEDULE_DELAY: '20',
    },
  ];
}

function spawnAgent(args: readonly string[], env: Record<string, string> = {}): AgentProcess {
  const agent = AgentProcess.spawn(args, env);
  running.push(agent);
  return agent;
}

/** Connects to the address that the agent logged. */
async function peer(agent: AgentProcess, listener: 'spop' | 'records'): Promise<Peer> {
  const address = String(agent.logged('ready')?.[listener]);
  const unix = /^unix:(.*)/.exec(address)?.[1];
  const port = Number(address.split(':').at(-1));
  const socket = unix === undefined ? connect(port, '127.0.0.1') : connect(unix);
  sockets.push(socket);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => {});
  const result: Peer = {
    socket,
    frames: () => decodeAgentFrames(Buffer.concat(chunks)),
    closed: new Promise((resolve) => socket.once('close', () => resolve())),
  };
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return result;
}

type Peer = {
  readonly socket: Socket;
  readonly frames: () => ReturnType<typeof decodeAgentFrames>;
  readonly closed: Promise<void>;
};

const MINT = notify(1, 1, [['mint', []]]);

/** A HAProxy that does nothing but check the agent. */
const checking = (spop: string, port: number): string => `defaults
    timeout connect 10s
    timeout client 10s
    timeout server 10s
    timeout check 10s
frontend any
    mode http
    bind 127.0.0.1:${port}
backend agents
    .if version_atleast(3.1)
    mode spop
    .else
    mode tcp
    .endif
    option spop-check
    server agent ${spop} check inter 50ms
`;

describe('the command', () => {
  test('--help and --version', async () => {
    const help = spawnAgent(['--help']);
    expect(await help.exited()).toBe(0);
    for (const flag of [
      '--spop',
      '--records',
      '--admin',
      '--log-level',
      'HAPROXY_OTEL_SPOP',
      'demo',
      LOG_LEVELS.join(', '),
    ]) {
      expect(help.output).toContain(flag);
    }
    const version = spawnAgent(['--version']);
    expect(await version.exited()).toBe(0);
    expect(version.output).toBe(`${VERSION}\n`);
  });

  test.each([
    [
      ['run'],
      { HAPROXY_OTEL_STOP_TIMEOUT: 'soon' },
      'HAPROXY_OTEL_STOP_TIMEOUT is "soon": a whole',
    ],
    [['run'], { OTEL_TRACES_EXPORTER: 'zipkin' }, 'OTEL_TRACES_EXPORTER is "zipkin": one of'],
    [['run', '--once'], {}, '--once is no flag of run'],
    [['demo', '--spop', '127.0.0.1:1'], {}, '--spop is no flag of demo'],
    [['--spop', 'nowhere'], {}, 'HAPROXY_OTEL_SPOP is "nowhere": host:port'],
    [['dance'], {}, 'unknown command "dance": run, demo, add, remove, check or verify is accepted'],
    [['--dance'], {}, "Unknown option '--dance'"],
  ])('%j %j: one clear line and exit code 2', async (args, env, line) => {
    const agent = spawnAgent(args, env);
    expect(await agent.exited()).toBe(2);
    expect(agent.output).toMatch(/^haproxy-otel-spoa: .*\n$/);
    expect(agent.output).toContain(line);
  });

  test.each(['throw Error("full")', 'process.nextTick(() => { throw Error("full") })'])(
    'a tool that ends by %s has found nothing: exit code 2',
    async (statement) => {
      const preload = encodeURIComponent(`process.stdout.write = () => { ${statement} }`);
      for (const tool of ['check', 'add', 'remove', 'verify']) {
        const NODE_OPTIONS = `--import=data:text/javascript,${preload}`;
        const agent = spawnAgent([tool, '--help'], { NODE_OPTIONS });
        expect(await agent.exited()).toBe(2);
        expect(agent.output).toBe('haproxy-otel-spoa: full\n');
      }
    },
  );

  test.each(['HAPROXY_OTEL_SPOP', 'HAPROXY_OTEL_RECORDS'])(
    'a port of %s in use: one clear line and exit code 1',
    async (name) => {
      const other = createServer();
      await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
      const { port } = other.address() as { port: number };
      const agent = spawnAgent(['run'], { ...ANY_PORTS, [name]: `127.0.0.1:${port}` });
      expect(await agent.exited()).toBe(1);
      expect(agent.output).toContain(`cannot listen on 127.0.0.1:${port}`);
      other.close();
    },
  );

  test('nothing is logged per request at info, everything is JSON', async () => {
    const [otlp, env] = await receiver();
    const agent = await start({ ...env });
    const spop = await peer(agent, 'spop');
    spop.socket.write(Buffer.concat([hello(), MINT, MINT]));
    await until('three frames', () => spop.frames().length >= 3);
    const records = await peer(agent, 'records');
    records.socket.write(octetCounted(recordLine()));
    await until('two spans', () => otlp.spans.length >= 2);
    await agent.end();
    expect(agent.logs.map(({ msg }) => msg)).toEqual([
      'ready',
      'HAProxy is connected',
      'stopping',
      'stopped',
    ]);
    expect(agent.output).toBe('');
  });

  test('OTEL_TRACES_EXPORTER=console prints spans', async () => {
    const agent = await start({ OTEL_TRACES_EXPORTER: 'console' });
    const records = await peer(agent, 'records');
    records.socket.write(octetCounted(recordLine(hopOf(5))));
    await until('both spans', () => agent.output.split('traceId').length > 2);
    expect(agent.output).toContain(hopOf(5).slice(0, 32));
    expect(agent.output).toContain("'url.path': '/a'");
  });
});

describe('SIGTERM', () => {
  test('answers what was read, sends DISCONNECT, exports what is left and exits with 0', async () => {
    const [otlp, env] = await receiver();
    const agent = await start({ ...env, OTEL_BSP_SCHEDULE_DELAY: '60000' });
    const spop = await peer(agent, 'spop');
    const records = await peer(agent, 'records');
    spop.socket.write(Buffer.concat([hello(), MINT]));
    records.socket.write(octetCounted(recordLine()));
    await until('the answer', () => spop.frames().length === 2);
    expect(otlp.spans).toEqual([]);
    const half = new Promise<void>((resolve) => records.socket.once('end', resolve));
    records.socket.allowHalfOpen = true;
    const exited = agent.end();
    // Records that are on their way when the agent half-closes are read to the end.
    await half;
    records.socket.end(octetCounted(recordLine(hopOf(2))));
    expect(await exited).toBe(0);
    await spop.closed;
    expect(spop.frames().at(-1)).toMatchObject({ type: 102, items: { 'status-code': 0 } });
    expect(new Set(otlp.spans.map(({ traceId }) => traceId))).toEqual(
      new Set([hopOf(1).slice(0, 32), hopOf(2).slice(0, 32)]),
    );
    expect(agent.logged('stopped')).toMatchObject({
      requests: { started: 1, sampled: 1 },
      records: { sampled: 2, unsampled: 0, unusable: 0 },
      spans: { exported: 4, dropped: 0, refused: 0, waiting: 0 },
    });
  });

  test('reads the records of connections that it had not accepted yet', async () => {
    const agent = await start();
    agent.process.kill('SIGSTOP');
    for (let ring = 1; ring <= 5; ring += 1) {
      const { socket } = await peer(agent, 'records');
      await new Promise<void>((resolve) => socket.end(octetCounted(recordLine()), resolve));
    }
    const exited = agent.end();
    agent.process.kill('SIGCONT');
    expect(await exited).toBe(0);
    expect(agent.logged('stopped')).toMatchObject({ records: { sampled: 5 } });
  });

  test('gives up at its limit, and logs how many spans were lost', async () => {
    const agent = await start({
      OTEL_TRACES_EXPORTER: 'otlp',
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
      OTEL_BSP_SCHEDULE_DELAY: '10',
      HAPROXY_OTEL_STOP_TIMEOUT: '2000',
    });
    const records = await peer(agent, 'records');
    records.socket.end(octetCounted(recordLine()));
    await until('the export to fail', () => agent.logged('export fails, spans wait'));
    expect(await agent.end()).toBe(0);
    const lost = agent.logged('stopped, with spans that could not be exported in time');
    expect(lost).toMatchObject({ spans: { exported: 0, waiting: 2 } });
  });

  test('logs what its telemetry thread counted last, where that does not answer in time', async () => {
    const agent = await start({
      OTEL_TRACES_EXPORTER: 'otlp',
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
      OTEL_BSP_SCHEDULE_DELAY: '10',
      HAPROXY_OTEL_STOP_TIMEOUT: '300',
      NODE_OPTIONS: `--import=${join(import.meta.dirname, 'hang-on-stop.mjs')}`,
    });
    const records = await peer(agent, 'records');
    records.socket.end(octetCounted(recordLine()));
    await until('the export to fail', () => agent.logged('export fails, spans wait'));
    expect(await agent.end()).toBe(0);
    expect(agent.logged('stopped, with spans that could not be exported in time')).toMatchObject({
      requests: { started: 0 },
      records: { sampled: 1 },
      spans: { exported: 0, waiting: 2 },
      account_age: expect.any(Number),
    });
  });

  test('a second signal ends at once', async () => {
    const agent = await start({
      OTEL_TRACES_EXPORTER: 'otlp',
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
      OTEL_BSP_SCHEDULE_DELAY: '10',
      HAPROXY_OTEL_STOP_TIMEOUT: '600000',
    });
    const records = await peer(agent, 'records');
    records.socket.end(octetCounted(recordLine()));
    await until('the export to fail', () => agent.logged('export fails, spans wait'));
    agent.process.kill('SIGINT');
    // The thread counts once more when it is told to stop, and then closes its listener.
    await until('no records to be received', () =>
      peer(agent, 'records').then(
        () => false,
        () => true,
      ),
    );
    agent.process.kill('SIGTERM');
    expect(await agent.exited()).toBe(1);
    expect(agent.logged('second signal, ending at once')).toMatchObject({
      spans: { exported: 0, waiting: 2 },
    });
  });
});

test('a telemetry thread that dies ends the process, and the reason is logged', async () => {
  const preload = join(import.meta.dirname, 'telemetry/die-on-signal.mjs');
  const agent = await start({ NODE_OPTIONS: `--import=${preload}` });
  agent.process.kill('SIGWINCH');
  expect(await agent.exited()).toBe(1);
  expect(agent.logged('telemetry thread died')).toMatchObject({
    reason: expect.stringContaining('told to die'),
    spans: { exported: 0, waiting: 0 },
  });
});

test('a stop that fails logs why', async () => {
  const preload = join(import.meta.dirname, 'fail-to-stop.mjs');
  const agent = await start({ NODE_OPTIONS: `--import=${preload}` });
  agent.process.kill('SIGTERM');
  expect(await agent.exited()).toBe(1);
  expect(agent.logged('could not stop in order')).toMatchObject({
    level: 'fatal',
    err: {
      type: 'Error',
      message: 'told to stay open: for a test',
      stack: expect.stringContaining('agent.js'),
    },
  });
});

test('the telemetry thread, and no other, runs at a lower priority', async () => {
  const agent = await start();
  const tasks = `/proc/${agent.process.pid}/task`;
  const priorities = readdirSync(tasks).map((task) => {
    const stat = readFileSync(`${tasks}/${task}/stat`, 'latin1');
    // Behind the name, which may have spaces, "nice" is the 17th: proc(5).
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
  });
  const { PRIORITY_BELOW_NORMAL, PRIORITY_LOW } = constants.priority;
  const lower = Math.min(getPriority() + PRIORITY_BELOW_NORMAL, PRIORITY_LOW);
  expect(priorities.filter((priority) => priority !== getPriority())).toEqual([lower]);
});

describe('SPOP peers', () => {
  test('one that breaks the protocol is sent the reason and logged, others are not disturbed', async () => {
    const agent = await start();
    const good = await peer(agent, 'spop');
    good.socket.write(hello());
    const bad = await peer(agent, 'spop');
    const { localPort } = bad.socket;
    bad.socket.write('GET / HTTP/1.1\r\n\r\n');
    await bad.closed;
    expect(bad.frames()).toMatchObject([{ type: 102, items: { 'status-code': 3 } }]);
    good.socket.write(MINT);
    await until('the answer', () => good.frames().length === 2);
    const told = () => agent.logs.filter(({ level }) => level === 'warn');
    await until('the warning', () => told().length > 0);
    expect(told()).toMatchObject([
      {
        msg: 'SPOP peer disconnected: it broke the protocol',
        status: 3,
        peer: `127.0.0.1:${localPort}`,
        reason: expect.stringContaining('at most 65536 accepted'),
      },
    ]);
  });

  test('one too many is disconnected with the reason', async () => {
    const agent = await start({ HAPROXY_OTEL_MAX_CONNECTIONS: '2' });
    const taken = [await peer(agent, 'spop'), await peer(agent, 'spop')];
    const ask = (): unknown => taken.map(({ socket }) => socket.write(MINT));
    for (const { socket } of taken) socket.write(hello());
    ask();
    await until('both to be in use', () => taken.every(({ frames }) => frames().length === 2));
    const asking = setInterval(ask, 100);
    const third = await peer(agent, 'spop');
    third.socket.write(hello());
    await third.closed;
    clearInterval(asking);
    expect(third.frames()).toMatchObject([{ type: 102, items: { 'status-code': 13 } }]);
    taken[0]?.socket.destroy();
    await until('a place for another', async () => {
      const fourth = await peer(agent, 'spop');
      fourth.socket.write(hello());
      await Promise.race([fourth.closed, until('HELLO', () => fourth.frames().length > 0)]);
      return fourth.frames()[0]?.type === 101;
    });
  });

  test('those that only have connections keep nobody out', async () => {
    const agent = await start({
      HAPROXY_OTEL_MAX_CONNECTIONS: '2',
      HAPROXY_OTEL_HELLO_TIMEOUT: '60000',
    });
    const silent = await peer(agent, 'spop');
    const greeted = await peer(agent, 'spop');
    greeted.socket.write(hello());
    await until('HELLO', () => greeted.frames().length === 1);
    const asking = await peer(agent, 'spop');
    asking.socket.write(Buffer.concat([hello(), MINT]));
    await until('the ACK', () => asking.frames().length === 2);
    const third = await peer(agent, 'spop');
    third.socket.write(hello());
    await greeted.closed;
    expect(greeted.frames()[1]).toMatchObject({ type: 102, items: { 'status-code': 13 } });
    await until('HELLO', () => third.frames().length === 1);
    expect(third.frames()).toMatchObject([{ type: 101 }]);
    // Without a HELLO there are 64 beyond the limit, whoever they are.
    await Promise.all(Array.from({ length: 64 }, () => peer(agent, 'spop')));
    await silent.closed;
    expect(silent.frames()).toMatchObject([{ type: 102, items: { 'status-code': 13 } }]);
    expect([asking, third].map(({ socket }) => socket.destroyed)).toEqual([false, false]);
  });

  test("HAProxy's health checks get through where all connections are in use", async () => {
    const agent = await start({ HAPROXY_OTEL_MAX_CONNECTIONS: '1', OTEL_LOG_LEVEL: 'debug' });
    const taken = await peer(agent, 'spop');
    taken.socket.write(Buffer.concat([hello(), MINT]));
    await until('the ACK', () => taken.frames().length === 2);
    const asking = setInterval(() => taken.socket.write(MINT), 100);
    const ports = await freePorts();
    const haproxy = await Haproxy.start({
      ports,
      command: [HAPROXY],
      edit: () => checking(String(agent.logged('ready')?.spop), ports.http),
    });
    const checks = () => agent.logs.filter(({ reason }) => reason === 'healthcheck').length;
    const refused = () =>
      agent.logged('SPOP peer disconnected: HAPROXY_OTEL_MAX_CONNECTIONS is too few');
    try {
      await until('health checks', () => checks() > 2 || refused() !== undefined);
    } finally {
      clearInterval(asking);
      await haproxy.stop();
    }
    expect(refused()).toBeUndefined();
    expect(taken.socket.destroyed).toBe(false);
  });

  test('one that does not finish its HELLO is closed in time', async () => {
    const agent = await start({ HAPROXY_OTEL_HELLO_TIMEOUT: '50' });
    const slow = await peer(agent, 'spop');
    slow.socket.write(hello().subarray(0, 20));
    await slow.closed;
    expect(slow.frames()).toMatchObject([{ items: { 'status-code': 2 } }]);
  });

  test('one that does not read its answers is closed, and memory stays bounded', async () => {
    const agent = await start();
    const greedy = await peer(agent, 'spop');
    greedy.socket.pause();
    greedy.socket.write(hello());
    const many = Buffer.concat(Array.from({ length: 500 }, () => MINT));
    for (let i = 0; i < 2000 && !greedy.socket.destroyed; i += 1) {
      if (!greedy.socket.write(many)) {
        await Promise.race([
          new Promise((resolve) => greedy.socket.once('drain', resolve)),
          greedy.closed,
        ]);
      }
    }
    const closed = await until('the agent to close it', () =>
      agent.logged('SPOP peer closed: it does not read its answers'),
    );
    expect(closed.bytes).toBeLessThan(4 * 1024 * 1024);
  });
});

describe('unix sockets', () => {
  const paths = { spop: join(folder, 'spop.sock'), records: join(folder, 'records.sock') };
  const env = {
    HAPROXY_OTEL_SPOP: `unix:${paths.spop}`,
    HAPROXY_OTEL_RECORDS: `unix:${paths.records}`,
  };

  test('serve both paths, replace those of a process that died, and are refused where one lives', async () => {
    const [otlp, exporter] = await receiver();
    const first = await start({ ...env, ...exporter });
    await first.end('SIGKILL');
    expect(existsSync(paths.spop)).toBe(true);
    const second = await start({ ...env, ...exporter });
    const spop = await peer(second, 'spop');
    spop.socket.write(Buffer.concat([hello(), MINT]));
    await until('the answer', () => spop.frames().length === 2);
    const records = await peer(second, 'records');
    records.socket.write(octetCounted(recordLine()));
    await until('two spans', () => otlp.spans.length >= 2);
    for (const [name, path] of Object.entries(paths)) {
      const others = { HAPROXY_OTEL_SPOP: '127.0.0.1:0', HAPROXY_OTEL_RECORDS: '127.0.0.1:0' };
      const setting = `HAPROXY_OTEL_${name.toUpperCase()}`;
      const third = spawnAgent(['run'], { ...others, [setting]: `unix:${path}` });
      expect(await third.exited()).toBe(1);
      expect(third.output).toContain(`cannot listen on unix:${path}`);
    }
    expect(await spawnAgent(['run'], env).exited()).toBe(1);
    expect(await second.end()).toBe(0);
  });

  test('a ring that sends lines is parted from in order', async () => {
    const [otlp, exporter] = await receiver();
    const agent = await start({ ...env, ...exporter });
    const idle = await peer(agent, 'records');
    const records = await peer(agent, 'records');
    records.socket.write(`${recordLine(hopOf(1))}\n`);
    await until('two spans', () => otlp.spans.length >= 2);
    records.socket.write(`${recordLine(hopOf(2))}\n`);
    expect(await agent.end()).toBe(0);
    await Promise.all([records.closed, idle.closed]);
    expect(otlp.spans).toHaveLength(4);
    expect(agent.logged('stopped')).toMatchObject({ spans: { exported: 4, waiting: 0 } });
  });

  test.each(['HAPROXY_OTEL_SPOP', 'HAPROXY_OTEL_RECORDS', 'HAPROXY_OTEL_ADMIN'])(
    'a folder that is not there is named, and %s',
    async (name) => {
      const where = join(folder, 'none');
      const agent = spawnAgent(['run'], { ...ANY_PORTS, [name]: `unix:${where}/a.sock` });
      expect(await agent.exited()).toBe(1);
      expect(agent.output).toBe(
        `haproxy-otel-spoa: ${name}: cannot listen on unix:${where}/a.sock: there is no folder ${where} that this user can see: a path in a folder that this user can write to is accepted\n`,
      );
    },
  );

  test('a file that is no socket is left alone', async () => {
    const path = join(folder, 'file');
    writeFileSync(path, 'precious');
    const agent = spawnAgent(['run'], { ...ANY_PORTS, HAPROXY_OTEL_SPOP: `unix:${path}` });
    expect(await agent.exited()).toBe(1);
    expect(agent.output).toContain(`HAPROXY_OTEL_SPOP: cannot listen on unix:${path}: `);
    expect(agent.output).toContain('it is a file that is no socket (EADDRINUSE)');
    expect(readFileSync(path, 'utf8')).toBe('precious');
  });
});

describe('records', () => {
  test('come octet-counted or line by line', async () => {
    const [otlp, env] = await receiver();
    const agent = await start(env);
    const counted = await peer(agent, 'records');
    counted.socket.write(octetCounted(recordLine(hopOf(1))));
    const lines = await peer(agent, 'records');
    lines.socket.write(`${recordLine(hopOf(2))}\n`);
    await until('four spans', () => otlp.spans.length >= 4);
  });

  test('a connection that is neither is refused, others go on', async () => {
    const [otlp, env] = await receiver();
    const agent = await start(env);
    const bad = await peer(agent, 'records');
    bad.socket.write('2 {}nonsense');
    await bad.closed;
    const good = await peer(agent, 'records');
    good.socket.write(octetCounted(recordLine()));
    await until('two spans', () => otlp.spans.length >= 2);
    const { reason } = await until('the refusal', () => agent.logged('records refused'));
    expect(reason).toContain('expected "<length> <record>"');
  });

  test('lines that are no records are counted, and logged once', async () => {
    const agent = await start();
    const records = await peer(agent, 'records');
    const line = octetCounted('www/1: SSL handshake failure');
    records.socket.end(line + line + line + octetCounted(recordLine(hopOf(1, '02'))));
    await records.closed;
    await agent.end();
    expect(agent.logged('stopped')).toMatchObject({
      records: { sampled: 0, unsampled: 1, unusable: 3 },
    });
    const told = agent.logs.filter(({ line }) => line !== undefined);
    expect(told).toMatchObject([{ level: 'warn', line: 'www/1: SSL handshake failure' }]);
  });
});
