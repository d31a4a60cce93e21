import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import type { Ports } from '../../src/demo/ports.ts';
import { AgentProcess } from '../agent-process.ts';
import { Chain, HAPROXY } from '../end-to-end/chain.ts';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-ten-minutes-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** What somebody has who never heard of tracing. */
const existing = (ports: Ports): string => `global
    maxconn 1000
    log stderr format short local0 notice

defaults
    mode http
    log global
    option httplog
    option dontlognull
    timeout connect 2s
    timeout client 5s
    timeout server 5s

frontend shop
    bind 127.0.0.1:${ports.http}
    http-request set-header X-Shop yes
    http-after-response add-header server-timing "trace;desc=00-%[var(txn.otel.hop),bytes(0,52)]"
    default_backend shop-servers

frontend other
    bind 127.0.0.1:${ports.h2}
    default_backend shop-servers

backend shop-servers
    server one 127.0.0.1:${ports.server}
`;

function run(...args: readonly string[]): { code: number | null; output: string } {
  const command = [join(PACKAGE_ROOT, 'dist/main.js'), ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' });
  return { code: status, output: `${stdout}${stderr}` };
}

test('from an existing configuration to a trace: add, check, verify', async () => {
  const file = join(folder, 'haproxy.cfg');
  const chain = await Chain.start({
    editConfig: (_shipped, ports) => {
      const where = [
        ...['--haproxy', HAPROXY, '--spop', `127.0.0.1:${ports.spop}`],
        ...['--records', `127.0.0.1:${ports.records}`],
      ];
      const before = existing(ports);
      writeFileSync(file, before);
      const untouched = run('check', ...where, file);
      expect(untouched.output).toContain('error nothing-traced');
      expect(untouched.output).toMatch(/^frontend shop +http +not traced$/m);
      expect(untouched.code).toBe(1);

      const added = run('add', '-f', file, '--frontend', 'shop', '--write', ...where);
      expect(added).toMatchObject({ code: 0 });

      const wired = run('check', ...where, file);
      expect(wired.output).toMatch(/^frontend shop +http +traced$/m);
      expect(wired.output).toMatch(/^frontend other +http +not traced$/m);
      expect(wired.output).toContain('hint frontend-untraced');
      expect(wired.code).toBe(0);
      return readFileSync(file, 'utf8');
    },
  });
  try {
    const url = `http://127.0.0.1:${chain.ports.http}/basket`;
    const spop = `127.0.0.1:${chain.ports.spop}`;
    const verify = AgentProcess.spawn(['verify', '--admin', 'off', '--spop', spop, url]);
    expect(await verify.exited()).toBe(3);
    const [, traceId = ''] = /^trace id ([0-9a-f]{32})$/m.exec(verify.output) ?? [];
    expect(verify.output).toMatch(`trace     ok        ${traceId} is continued`);
    expect(verify.output).toMatch(`upstream  ok        the server got trace ${traceId}`);
    const { server, client } = await chain.hop(traceId);
    expect(server.attributes['haproxy.frontend.name']).toBe('shop');
    expect(client?.attributes['haproxy.server.name']).toBe('one');
  } finally {
    await chain.stop();
  }
});
