import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { HAPROXY } from '../end-to-end/chain.ts';
import { EXAMPLE } from './example.ts';

const root = mkdtempSync(join(tmpdir(), 'haproxy-otel-example-'));
afterAll(() => rmSync(root, { recursive: true }));

test('the example is what add makes of the plain file: "npm run example" writes it again', () => {
  const { scripts } = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8'));
  const [command = ''] = /node dist\/main\.js .*$/.exec(scripts.example) ?? [];
  const [program, script = '', ...args] = command.split(' ');
  expect([program, script, args[0]]).toEqual(['node', 'dist/main.js', 'add']);
  mkdirSync(join(root, 'haproxy'));
  cpSync(join(PACKAGE_ROOT, 'haproxy/plain.cfg'), join(root, 'haproxy/haproxy.cfg'));
  const words = [join(PACKAGE_ROOT, script), ...args, '--haproxy', HAPROXY];
  const { status, stderr } = spawnSync(process.execPath, words, { cwd: root, encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
  expect(readFileSync(join(root, 'haproxy/haproxy.cfg'), 'utf8')).toBe(EXAMPLE);
});
