import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { PACKAGE_ROOT } from '../src/demo/haproxy.ts';
import { freePorts } from '../src/demo/ports.ts';
import { until } from './agent-process.ts';

test('an agent whose log has no room goes on, reloads and stops in order', async () => {
  const ports = await freePorts();
  const agent = spawn(process.execPath, [join(PACKAGE_ROOT, 'dist/main.js'), 'run'], {
    stdio: ['ignore', 'ignore', openSync('/dev/full', 'w')],
    env: {
      PATH: process.env.PATH,
      OTEL_LOG_LEVEL: 'debug',
      HAPROXY_OTEL_SPOP: `127.0.0.1:${ports.spop}`,
      HAPROXY_OTEL_RECORDS: `127.0.0.1:${ports.records}`,
      HAPROXY_OTEL_ADMIN: `127.0.0.1:${ports.admin}`,
    },
  });
  onTestFinished(() => {
    agent.kill('SIGKILL');
  });
  const ended = once(agent, 'exit');
  const isReady = async (): Promise<boolean> => {
    if (agent.exitCode !== null) throw new Error(`the agent ended with ${agent.exitCode}`);
    const answer = await fetch(`http://127.0.0.1:${ports.admin}/readyz`).catch(() => undefined);
    return answer?.ok === true;
  };
  await until('the agent to be ready', isReady);
  for (let reloads = 0; reloads < 3; reloads += 1) {
    agent.kill('SIGHUP');
    expect(await isReady()).toBe(true);
  }
  agent.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
});
