import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { type AgentProcess, until } from '../agent-process.ts';
import { Chain, VERSION } from './chain.ts';
import { patientChecks, patientProcessing } from './patient-engine.ts';

/**
 * Up to 3.0 the engine's `timeout idle` ends a connection by a frame. Later versions have a pool of connections, of which 3.4
 * may leave one idle for a minute and more, whatever its time-outs: none is left idle where the pool has no room.
 */
const HAS_IDLE_TIMEOUT = /version (2|3\.0)\./.test(VERSION);

/** @param isPatient HAProxy asks an agent that a busy machine holds up, too */
async function startChain(isPatient: boolean): Promise<Chain> {
  const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-idle-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const shipped = readFileSync(join(PACKAGE_ROOT, 'spoe/otel.conf'), 'utf8');
  const engine = shipped.replace('timeout idle  2m', 'timeout idle 700ms');
  const path = join(folder, 'otel.conf');
  writeFileSync(path, isPatient ? patientProcessing(engine) : engine);
  const chain = await Chain.start({
    // An export that was on its way when the agent was stopped is no matter here.
    agentEnv: { OTEL_LOG_LEVEL: 'debug', OTEL_EXPORTER_OTLP_TIMEOUT: '60000' },
    add: { engine: path },
    editConfig: (config) =>
      (isPatient ? patientChecks(config) : config)
        .replace('timeout server 3m', 'timeout server 700ms')
        .replace(
          /^( +server agent .*) check inter/m,
          `$1 ${HAS_IDLE_TIMEOUT ? 'pool-purge-delay 500ms' : 'pool-max-conn 0'} check inter`,
        ),
  });
  onTestFinished(() => chain.stop());
  return chain;
}

const WARN = 'warn';
const warnings = ({ logs }: AgentProcess): string[] =>
  logs
    .filter(({ level }) => level === WARN)
    .map(({ msg, status, reason }) => `${msg}, status ${status}: ${reason}`);

test('a connection that HAProxy ends because it is idle is no warning', async () => {
  const chain = await startChain(true);
  await until('the agent to be asked', async () => {
    const { traceId } = await chain.get('/before');
    return (await chain.hop(traceId)).server.attributes['haproxy.agent_away'] !== true;
  });
  const ended = (): Record<string, unknown> | undefined =>
    chain.agent.logs.find(
      ({ level, msg, reason }) =>
        level === 'debug' &&
        /^SPOP connection closed/.test(String(msg)) &&
        reason !== 'healthcheck' &&
        reason !== 'protocol',
    );
  const end = await until('HAProxy to close the idle connection', ended);
  if (HAS_IDLE_TIMEOUT) expect(end).toMatchObject({ reason: 'disconnected', status: 2 });
  expect(warnings(chain.agent)).toEqual([]);
  // The next request has a new one.
  const { traceId } = await chain.get('/after');
  expect((await chain.hop(traceId)).server.attributes['haproxy.agent_away']).toBeUndefined();
});

test.runIf(HAS_IDLE_TIMEOUT)('one that ends while the agent hangs is a warning', async () => {
  const chain = await startChain(false);
  // The only connection of a HAProxy may end by its server's time-out, which is an I/O error.
  const opened = (): number =>
    chain.agent.logs.filter(({ msg }) => msg === 'SPOP connection open').length;
  await until('a second connection', async () => {
    await Promise.all(Array.from({ length: 20 }, () => chain.get('/before')));
    return opened() > 1;
  });
  chain.agent.process.kill('SIGSTOP');
  await chain.get('/hanging');
  const down = /Server otel-agents\/agent is DOWN/;
  await until('HAProxy to see it', () => down.test(chain.haproxy.output));
  // The idle timeout began with the question.
  const asked = performance.now();
  await until('the idle timeout', () => performance.now() - asked > 1_000);
  chain.agent.process.kill('SIGCONT');
  await until('the warning', () => warnings(chain.agent).length > 0);
  expect(warnings(chain.agent)).toEqual(['HAProxy disconnected, status 2: a timeout occurred']);
});
