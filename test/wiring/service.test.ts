// biome-ignore-all lint/suspicious/noTemplateCurlyInString: HAProxy writes its variables like that
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { HAPROXY } from '../end-to-end/chain.ts';
import { tool } from './run.ts';

const root = mkdtempSync(join(tmpdir(), 'haproxy-otel-service-'));
const file = join(root, 'site.cfg');
const bin = join(root, 'bin');
const SITE = `defaults
    mode http
    timeout connect 2s
    timeout client 5s
    timeout server 5s

frontend www
    bind "\${SITE_ADDRESS}"

    .if streq("$SITE_KIND",shop)
frontend shop
    bind 127.0.0.1:24962
    .endif
`;

/** What systemd shows of a process with the service's arguments and environment. */
const service = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)', '--', '-f', file], {
  env: { SITE_ADDRESS: '127.0.0.1:24961', SITE_KIND: 'shop' },
  stdio: 'ignore',
});

beforeAll(() => {
  mkdirSync(bin);
  writeFileSync(join(bin, 'systemctl'), `#!/bin/sh\necho ${service.pid}\n`, { mode: 0o755 });
  writeFileSync(file, SITE);
});
afterAll(async () => {
  const gone = once(service, 'exit');
  service.kill();
  await gone;
  rmSync(root, { recursive: true });
});

test.each([
  ['without a name', []],
  ['named', ['site.cfg']],
])('the configuration of the service is read with its environment: %s', (_what, names) => {
  const env = { PATH: `${bin}:${process.env.PATH}` };
  const run = (command: string, ...args: readonly string[]) =>
    tool(root, [command, ...names, '--haproxy', HAPROXY, ...args], env);
  expect(run('add', '--write')).toMatchObject({ status: 0, err: '' });
  const wired = readFileSync(file, 'utf8');
  expect(wired.match(/filter spoe engine otel/g)).toHaveLength(2);
  const checked = run('check');
  expect(checked.out).toMatch(/^frontend www +http +traced$[\s\S]*^frontend shop +http +traced$/m);
  expect(checked).toMatchObject({ status: 0, err: '' });
  expect(run('remove', '--write')).toMatchObject({ status: 0, err: '' });
  expect(readFileSync(file, 'utf8')).toBe(SITE);
});

test('another configuration is read with the environment of who asks', () => {
  const other = join(root, 'other.cfg');
  writeFileSync(other, SITE);
  const env = { PATH: `${bin}:${process.env.PATH}`, SITE_ADDRESS: '127.0.0.1:24961' };
  const { out } = tool(root, ['add', other, '--haproxy', HAPROXY], env);
  expect(out).toContain('frontend www: traced');
  expect(out).not.toContain('frontend shop: traced');
});
