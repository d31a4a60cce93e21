import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { tool } from '../wiring/run.ts';
import { added, plain } from './added.ts';
import { Chain, HAPROXY, VERSION } from './chain.ts';

const SINCE_3_1 = !/version (2|3\.0)\./.test(VERSION);
const PADS_NAMES = Number.parseInt(process.versions.node, 10) < 22;

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-abstract-'));
afterAll(() => rmSync(folder, { recursive: true }));

let chain: Chain | undefined;
afterEach(async () => {
  await chain?.stop();
  chain = undefined;
});

/** A path would lead HAProxy nowhere in its jail. */
const jailed = (config: string): string =>
  process.getuid?.() === 0 ? config.replace(/^global\n/m, `$&    chroot ${folder}\n`) : config;

async function start(spop: string, records: string): Promise<Chain> {
  let wired = '';
  chain = await Chain.start({
    agentEnv: { HAPROXY_OTEL_SPOP: spop, HAPROXY_OTEL_RECORDS: records },
    editConfig: (config, ports) => {
      wired = added(folder, jailed(plain(config)), ports, ['--spop', spop, '--records', records]);
      return wired;
    },
  });
  writeFileSync(join(folder, 'haproxy.cfg'), wired);
  return chain;
}

test('add and the agent meet at abstract sockets, out of a jail, and check knows', async () => {
  const [spop, records] = [`abns@otel-${process.pid}-spop`, `abns@otel-${process.pid}-records`];
  const started = await start(spop, records);
  const { traceId } = await started.get('/abstract');
  expect((await started.hop(traceId)).server.attributes['url.path']).toBe('/abstract');
  const { out } = tool(
    folder,
    ['check', '--json', '--haproxy', HAPROXY, join(folder, 'haproxy.cfg')],
    { HAPROXY_OTEL_SPOP: spop, HAPROXY_OTEL_RECORDS: records },
  );
  const { findings } = JSON.parse(out) as { findings: { code: string }[] };
  const codes = findings.map(({ code }) => code);
  expect(codes).toContain('records-datagrams');
  expect(codes.filter((code) => /agent-|records-address/.test(code))).toEqual([]);
});

test.runIf(SINCE_3_1 && !PADS_NAMES)('names that are not padded, from HAProxy 3.1 on', async () => {
  const started = await start(
    `abnsz@otel-${process.pid}-spop`,
    `abnsz@otel-${process.pid}-records`,
  );
  const { traceId } = await started.get('/abstract');
  expect((await started.hop(traceId)).server.attributes['url.path']).toBe('/abstract');
});
