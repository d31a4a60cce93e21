import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { requestAdmin } from '../admin/admin-request.ts';
import { until } from '../agent-process.ts';
import { Chain, VERSION } from '../end-to-end/chain.ts';
import { patientEngine } from '../end-to-end/patient-engine.ts';
import { wiring } from './run.ts';

const root = mkdtempSync(join(tmpdir(), 'haproxy-otel-options-'));
afterAll(() => rmSync(root, { recursive: true }));

/** A site with a logger, wired with `options`. What the logger got stands in `lines`. */
async function start(
  name: string,
  options: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly chain: Chain; readonly lines: string[]; stop(): Promise<void> }> {
  const lines: string[] = [];
  const logger = createSocket('udp4');
  logger.on('message', (message) => lines.push(String(message).trimEnd()));
  logger.bind(0, '127.0.0.1');
  await once(logger, 'listening');
  const file = join(root, `${name}.cfg`);
  const chain = await Chain.start({
    agentEnv: env,
    editConfig: (_shipped, ports) => {
      writeFileSync(
        file,
        `global
    log 127.0.0.1:${logger.address().port} format raw local0

defaults
    mode http
    log global
    option httplog
    timeout connect 2s
    timeout client 5s
    timeout server 5s

frontend shop
    bind 127.0.0.1:${ports.http}
    http-after-response add-header server-timing "trace;desc=00-%[var(txn.otel.hop),bytes(0,52)]"
    default_backend app

backend app
    server one 127.0.0.1:${ports.server}
`,
      );
      const where = [
        '--spop',
        `127.0.0.1:${ports.spop}`,
        '--records',
        `127.0.0.1:${ports.records}`,
        '--engine',
        patientEngine(root),
      ];
      const added = wiring(root, 'add', [file], ['--write', ...where, ...options]);
      expect(added).toMatchObject({ status: 0, err: '' });
      return readFileSync(file, 'utf8');
    },
  });
  return {
    chain,
    lines,
    async stop() {
      await chain.stop();
      logger.close();
    },
  };
}

test('--access-log json: the user logs one object a line, with the ids of the span', async () => {
  const { chain, lines, stop } = await start('json', ['--access-log', 'json']);
  try {
    const path = '/a"b\\c?d=%22';
    const { traceId } = await chain.get(path, { headers: { 'x-request-id': 'r"\\1' } });
    const { server } = await chain.hop(traceId);
    const line = await until('the line', () => lines.find((each) => each.includes(traceId)));
    expect(JSON.parse(line)).toMatchObject({
      trace_id: traceId,
      span_id: server.spanId,
      request_id: 'r"\\1',
      status: 200,
      frontend: 'shop',
      server: 'one',
      target: path,
      retries: '0',
      client_port: expect.any(Number),
      Td: expect.any(Number),
    });
  } finally {
    await stop();
  }
});

test('--lines sampled: what is not sampled does not get to the agent, from HAProxy 3.1 on', async () => {
  const env = { OTEL_TRACES_SAMPLER: 'parentbased_always_off', HAPROXY_OTEL_ADMIN: '127.0.0.1:0' };
  const { chain, lines, stop } = await start('sampled', ['--lines', 'sampled'], env);
  try {
    const sampled = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    for (let index = 0; index < 20; index += 1) await chain.get('/unsampled');
    await chain.get('/sampled', { headers: { traceparent: sampled } });
    const { server } = await chain.hop('a'.repeat(32));
    expect(server.attributes['url.path']).toBe('/sampled');
    // The user's own log has all of them.
    await until('lines', () => lines.filter((each) => each.includes('sampled')).length === 21);
    const { body } = await requestAdmin(chain.agent, '/metrics');
    const values = [...body.matchAll(/^haproxy_otel_records_total\{.*\} (\d+)$/gm)];
    const counted = values.reduce((sum, [, value]) => sum + Number(value), 0);
    expect(counted).toBeGreaterThan(0);
    if (/version (3\.[1-9]|[4-9])/.test(VERSION)) expect(counted).toBeLessThan(5);
    else expect(counted).toBeGreaterThan(20);
  } finally {
    await stop();
  }
});
