import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../src/demo/ports.ts';
import { until } from '../agent-process.ts';
import { Chain } from './chain.ts';

/** Loaded by the agent before its own code: a host on which localhost is ::1 first. */
const LOCALHOST_IS_BOTH = `
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
const both = [{ address: '::1', family: 6 }, { address: '127.0.0.1', family: 4 }];
const { lookup } = dns;
dns.lookup = (name, options, callback = options) => {
  if (name !== 'localhost') return lookup(name, options, callback);
  queueMicrotask(() => (options.all ? callback(null, both) : callback(null, '::1', 6)));
};
const { lookup: ask } = dns.promises;
dns.promises.lookup = async (name, options) => {
  if (name !== 'localhost') return ask(name, options);
  return options?.all ? both : both[0];
};
syncBuiltinESMExports();
`;

function connects(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host, () => resolve(true));
    socket.on('error', () => resolve(false)).on('connect', () => socket.destroy());
  });
}

test('HAProxy asks 127.0.0.1, and the agent listens on localhost, which is ::1 first', async () => {
  const own = { spop: await freePort(), records: await freePort(), admin: await freePort() };
  const chain = await Chain.start({
    agentEnv: {
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(LOCALHOST_IS_BOTH)}`,
      HAPROXY_OTEL_SPOP: `localhost:${own.spop}`,
      HAPROXY_OTEL_RECORDS: `localhost:${own.records}`,
      HAPROXY_OTEL_ADMIN: `localhost:${own.admin}`,
    },
    add: { spop: `127.0.0.1:${own.spop}`, records: `127.0.0.1:${own.records}` },
  });
  onTestFinished(() => chain.stop());
  const { traceId } = await chain.get('/by-name');
  const { server } = await chain.hop(traceId);
  expect(server.attributes['haproxy.agent_away']).toBeUndefined();
  expect(chain.agent.logged('ready')).toMatchObject({ spop: `localhost:${own.spop}` });
  for (const port of Object.values(own)) {
    expect(await connects(port, '127.0.0.1')).toBe(true);
    expect(await connects(port, '::1')).toBe(true);
  }
  for (const host of ['127.0.0.1', '[::1]']) {
    const { status } = await fetch(`http://${host}:${own.admin}/readyz`);
    expect(status).toBe(200);
  }
  // Both are closed at once when it stops.
  expect(await chain.agent.end()).toBe(0);
  await until('the ports to be free', async () => !(await connects(own.spop, '::1')));
});
