import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { freePort } from '../../src/demo/ports.ts';
import { verifyCommand } from '../../src/verify/command.ts';
import type { Verified } from '../../src/verify/verify.ts';
import { AgentProcess, until } from '../agent-process.ts';
import { hello } from '../spop/frames.ts';
import { createAuthority } from '../telemetry/authority.ts';
import { UpgradingAgent } from '../upgrade/upgrading-agent.ts';
import { Chain, type Response } from './chain.ts';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-tls-'));
const file = (name: string): string => join(folder, name);
const AGENT = {
  HAPROXY_OTEL_TLS_CERTIFICATE: file('agent.pem'),
  HAPROXY_OTEL_TLS_KEY: file('agent.key'),
  HAPROXY_OTEL_TLS_CLIENT_CA: file('ca.pem'),
};

let authority: Awaited<ReturnType<typeof createAuthority>>;
beforeAll(async () => {
  authority = await createAuthority();
});
afterAll(() => rmSync(folder, { recursive: true }));

beforeEach(writeFiles);
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** Certificates that the authority issues anew, but for its own. */
async function writeFiles(): Promise<void> {
  const [agent, haproxy] = await Promise.all([
    authority.issue('agent'),
    authority.issue('haproxy'),
  ]);
  writeFileSync(file('ca.pem'), authority.authority);
  writeFileSync(file('agent.pem'), agent.cert);
  writeFileSync(file('agent.key'), agent.private);
  writeFileSync(file('haproxy.pem'), `${haproxy.cert}\n${haproxy.private}`);
}

async function startChain(env: Readonly<Record<string, string>> = {}): Promise<Chain> {
  const chain = await Chain.start({
    agentEnv: { ...AGENT, HAPROXY_OTEL_HELLO_TIMEOUT: '60000', ...env },
    add: { tls: file('haproxy.pem'), 'ca-file': file('ca.pem') },
  });
  ends.push(() => chain.stop());
  return chain;
}

/** A peer with this certificate; it resolves with what it got until the agent closed, or answered. */
async function ask(
  port: number,
  pair: { cert: string; private: string } | undefined,
): Promise<{ serial: string; bytes: number }> {
  const socket: TLSSocket = connect({
    host: '127.0.0.1',
    port,
    ca: authority.authority,
    servername: 'localhost',
    ...(pair && { cert: pair.cert, key: pair.private }),
  });
  let serial = '';
  let bytes = 0;
  socket.once('secureConnect', () => {
    serial = socket.getPeerCertificate().serialNumber;
    socket.write(hello());
  });
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      resolve();
    });
    socket.once('error', () => resolve());
    socket.once('close', () => resolve());
  });
  socket.destroy();
  return { serial, bytes };
}

/** A request that the agent was asked about, and its hop: on a busy machine HAProxy may find it away for a moment. */
async function asked(chain: Chain, path: string): Promise<void> {
  await until('the agent to be asked', async () => {
    const { traceId } = await chain.get(path);
    return (await chain.hop(traceId)).server.attributes['haproxy.agent_away'] !== true;
  });
}

test('hops are traced over TLS, through a restart', async () => {
  const chain = await startChain();
  const before = await chain.get('/before');
  expect((await chain.hop(before.traceId)).server.attributes['url.path']).toBe('/before');
  await chain.stopAgent();
  await chain.restartAgent();
  await asked(chain, '/after');
});

test('who shows no certificate of the authority is refused, and disturbs nobody', async () => {
  const chain = await startChain();
  const stranger = await createAuthority().then(({ issue }) => issue('haproxy'));
  for (const port of [chain.ports.spop, chain.ports.records]) {
    expect((await ask(port, undefined)).bytes).toBe(0);
    expect((await ask(port, stranger)).bytes).toBe(0);
  }
  expect((await ask(chain.ports.spop, await authority.issue('friend'))).bytes).toBeGreaterThan(0);
  await asked(chain, '/undisturbed');
  const refused = (): Record<string, unknown>[] =>
    chain.agent.logs.filter(({ msg }) => / refused$/.test(String(msg)));
  const warnings = await until('both warnings', () => refused().length > 1 && refused());
  expect(warnings.map(({ thread }) => thread).sort()).toEqual(['main', 'telemetry']);
});

test('a peer that is slow with its handshake is closed', async () => {
  const chain = await startChain({ HAPROXY_OTEL_HELLO_TIMEOUT: '500' });
  const socket: Socket = connectTcp(chain.ports.spop, '127.0.0.1');
  const began = performance.now();
  await new Promise((resolve) => socket.once('close', resolve).resume());
  expect(performance.now() - began).toBeLessThan(10_000);
  await asked(chain, '/meanwhile');
});

test('certificates are read again on SIGHUP, and stay as they were where they cannot be used', async () => {
  const chain = await startChain();
  const friend = await authority.issue('friend');
  const { spop, records } = chain.ports;
  const { serial } = await ask(spop, friend);
  await writeFiles();
  expect((await ask(spop, friend)).serial).toBe(serial);
  chain.agent.process.kill('SIGHUP');
  await until('the reload', () => chain.agent.logs.some(({ msg }) => msg === 'reloaded'));
  const renewed = (await ask(spop, friend)).serial;
  expect(renewed).not.toBe(serial);
  expect((await ask(records, undefined)).serial).toBe(renewed);
  writeFileSync(file('agent.key'), 'no key');
  chain.agent.process.kill('SIGHUP');
  const failure = await until('the reload to fail', () =>
    chain.agent.logs.find(({ msg }) => String(msg).startsWith('reload failed')),
  );
  expect(failure.reason).toContain(file('agent.key'));
  expect((await ask(spop, friend)).serial).toBe(renewed);
  await asked(chain, '/reloaded');
});

test('verify follows a request to an agent that it cannot ask itself', async () => {
  const admin = `127.0.0.1:${await freePort()}`;
  const chain = await startChain({ HAPROXY_OTEL_ADMIN: admin });
  const { spop, http } = chain.ports;
  writeFileSync(
    file('settings.env'),
    [
      ...Object.entries(AGENT).map(([name, path]) => `${name}=${path}`),
      `HAPROXY_OTEL_SPOP=127.0.0.1:${spop}`,
      `HAPROXY_OTEL_ADMIN=${admin}`,
    ].join('\n'),
  );
  let output = '';
  const args = ['--json', '--config', file('settings.env'), `http://127.0.0.1:${http}/verify`];
  const exitCode = await verifyCommand(args, {}, (text) => {
    output += text;
  });
  const { steps }: Verified = JSON.parse(output);
  expect(Object.fromEntries(steps.map(({ name, state }) => [name, state]))).toEqual({
    request: 'ok',
    trace: 'ok',
    upstream: 'ok',
    spop: 'unseen',
    agent: 'ok',
    record: 'ok',
    export: 'ok',
  });
  expect(steps.find(({ name }) => name === 'spop')?.text).toBe(
    `127.0.0.1:${spop} answers only who shows a certificate (HAPROXY_OTEL_TLS_CLIENT_CA): not asked`,
  );
  expect(exitCode).toBe(3);
});

test('an upgrade hands the listeners over, closes connections as a restart does, and no request fails', async () => {
  const chain = await startChain({ HAPROXY_OTEL_STOP_TIMEOUT: '60000' });
  const agent = new UpgradingAgent(chain.agent);
  ends.unshift(() => agent.end('SIGKILL'));
  await asked(chain, '/before');
  let state: 'asking' | 'over' = 'asking';
  const answers: Promise<Response>[] = [];
  const asking = (async () => {
    while (state === 'asking') {
      answers.push(chain.get(`/during/${answers.length}`));
      await answers.at(-1);
    }
  })();
  await until('some answers', () => answers.length > 5);
  const former = agent.pid;
  await agent.upgrade();
  await agent.ended(former);
  const since = answers.length;
  await until('some more answers', () => answers.length > since + 5);
  state = 'over';
  await asking;
  const statuses = (await Promise.all(answers)).map(({ status }) => status);
  expect(new Set(statuses)).toEqual(new Set([200]));
  await asked(chain, '/after');
  const places = agent.logged('ready').map(({ spop, records }) => `${spop} ${records}`);
  expect(places[1]).toBe(places[0]);
  expect(agent.logged('handed over')[0]).toMatchObject({ connections: { spop: 0, records: 0 } });
});

test.each(['HAPROXY_OTEL_SPOP', 'HAPROXY_OTEL_RECORDS'])(
  '%s beyond loopback is refused without TLS, and listens with it',
  async (name) => {
    const env = {
      HAPROXY_OTEL_SPOP: '127.0.0.1:0',
      HAPROXY_OTEL_RECORDS: '127.0.0.1:0',
      HAPROXY_OTEL_ADMIN: 'off',
      [name]: '0.0.0.0:0',
    };
    await expect(AgentProcess.start(env)).rejects.toThrow(
      `${name} is "0.0.0.0:0": beyond loopback and unix sockets HAPROXY_OTEL_TLS_CERTIFICATE, HAPROXY_OTEL_TLS_KEY and HAPROXY_OTEL_TLS_CLIENT_CA are needed`,
    );
    const agent = await AgentProcess.start({ ...env, ...AGENT });
    ends.push(() => agent.end().then(() => undefined));
  },
);
