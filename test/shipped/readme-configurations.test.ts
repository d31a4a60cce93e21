import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { SEVERITIES } from '../../src/check/finding.ts';
import { COMMANDS } from '../../src/commands.ts';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import type { Command } from '../../src/options.ts';
import { AgentProcess } from '../agent-process.ts';
import { Chain, HAPROXY } from '../end-to-end/chain.ts';
import { runCommand } from '../end-to-end/runtime-api.ts';
import { blockWith, document } from './readme.ts';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-readme-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The command of a block as its user types it, with the HAProxy under test. */
async function run(
  block: string,
  edit: (args: string[]) => string[] = (args) => args,
): Promise<{ code: number | null; output: string }> {
  const [program, ...args] = block.trim().split(' ');
  expect(program).toBe('haproxy-otel-spoa');
  const command = AgentProcess.spawn(edit(args));
  return { code: await command.exited(), output: command.output };
}

const withHaproxy = (args: string[]): string[] => [...args, '--haproxy', HAPROXY];

/** What somebody has who never heard of tracing. */
const SITE = `defaults
    mode http
    timeout connect 2s
    timeout client 5s
    timeout server 5s

frontend www
    bind 127.0.0.1:24980
`;

test('add shows lines for a frontend', async () => {
  const path = join(folder, 'site.cfg');
  writeFileSync(path, SITE);
  const block = `${blockWith('sh', 'add --frontend www --trust').trim()} -f ${path}`;
  const { code, output } = await run(block, withHaproxy);
  expect(code).toBe(0);
  expect(output).toContain('+frontend www from otel-rules');
  expect(output).toContain('http-request set-header b3');
  expect(readFileSync(path, 'utf8')).toBe(SITE);
});

test('check reports of a rule behind those of add what is shown', async () => {
  const path = join(folder, 'haproxy.cfg');
  writeFileSync(path, `${SITE}    http-request set-header traceparent x\n`);
  expect(await run(`haproxy-otel-spoa add --write -f ${path}`, withHaproxy)).toMatchObject({
    code: 0,
  });
  const { code, output } = await run(`haproxy-otel-spoa check ${path}`, withHaproxy);
  const withoutLine = (text: string): string => text.replace(/\S+haproxy\.cfg:\d+/, 'FILE');
  expect(withoutLine(output.replace(/^.*\n/, ''))).toContain(
    withoutLine(blockWith('text', 'header-overwritten')),
  );
  expect(code).toBe(1);
});

describe('the table of symptoms', () => {
  const table = document('docs/troubleshooting.md');

  test('names causes as check does', () => {
    const named = [...table.matchAll(/`([a-z]+(?:-[a-z]+)+)`/g)].map(([, name = '']) => name);
    const codes = named.filter((name) => name !== 'otel-agents');
    expect(codes.length).toBeGreaterThan(15);
    expect(codes.filter((code) => !(code in SEVERITIES))).toEqual([]);
  });

  test('has commands that HAProxy knows', async () => {
    const socket = join(folder, 'admin.sock');
    const map = join(folder, 'otel-ratios.map');
    writeFileSync(map, '/api 0.5\n');
    const commands = [...table.matchAll(/echo '([^']+)'/g)].map(([, command = '']) => command);
    expect(commands).toHaveLength(3);
    const chain = await Chain.start({
      site: (config) =>
        config
          .replace('global\n', `global\n    stats socket ${socket} mode 600 level admin\n`)
          .replace(/# (tcp-request content set-var\(txn\.otel\.ratio\) path)/, '$1')
          .replace('/etc/haproxy/otel-ratios.map', map),
    });
    try {
      const { traceId } = await chain.get('/told');
      await chain.hop(traceId);
      for (const command of commands) {
        const answer = await runCommand(
          socket,
          command.replace('/etc/haproxy/otel-ratios.map', map),
        );
        // A ring retains what was delivered until it needs the room.
        if (command.startsWith('show events')) expect(answer).toContain(` ${traceId}-`);
        expect(answer).not.toMatch(/unknown command|not found|can't find/i);
      }
    } finally {
      await chain.stop();
    }
  });
});

test.each(Object.entries<Command>(COMMANDS))('%s has help of its own', (name, { options }) => {
  const { status, stdout } = spawnSync(
    process.execPath,
    [join(PACKAGE_ROOT, 'dist/main.js'), name, '--help'],
    { encoding: 'utf8' },
  );
  expect(status).toBe(0);
  expect(stdout).toContain(`Usage: haproxy-otel-spoa ${name}`);
  const flags = Object.keys(options).map((option) => `--${option}`);
  expect(flags).toContain('--help');
  for (const flag of flags) expect(stdout).toMatch(new RegExp(`^  (-\\w, )?${flag}( |$)`, 'm'));
  const longest = stdout
    .split('\n')
    .slice(1)
    .map(({ length }) => length);
  expect(Math.max(...longest)).toBeLessThanOrEqual(100);
});
