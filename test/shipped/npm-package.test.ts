import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { VERSION } from '../../src/version.ts';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-npm-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('npm pack makes a package that installs globally, and runs from there', async () => {
  const npm = (...args: string[]): string =>
    execFileSync('npm', [...args, '--no-audit', '--no-fund', '--prefer-offline'], {
      cwd: PACKAGE_ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  // dist/ is there: other tests use it.
  const [packed] = JSON.parse(
    npm('pack', '--json', '--ignore-scripts', '--pack-destination', folder),
  );
  const files: string[] = packed.files.map(({ path }: { path: string }) => path);
  expect(files).toContain('spoe/otel.conf');
  expect(files).toContain('haproxy/systemd/haproxy-otel-spoa.service');
  expect(files.filter((file) => /^(src|test|benchmarks|haproxy\/debian)\//.test(file))).toEqual([]);

  const prefix = join(folder, 'prefix');
  npm('install', '--global', '--prefix', prefix, join(folder, packed.filename));
  const command = join(prefix, 'bin/haproxy-otel-spoa');
  expect(existsSync(join(prefix, 'lib/node_modules/haproxy-otel-spoa/node_modules/vitest'))).toBe(
    false,
  );
  const version = execFileSync(command, ['--version'], { cwd: folder, encoding: 'utf8' });
  expect(version).toBe(`${VERSION}\n`);
  // HAProxy, on the files of the installed package.
  const demo = spawn(command, ['demo', '--once'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  demo.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  demo.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const [code] = await once(demo, 'close');
  expect(code, output).toBe(0);
  expect(output.match(/haproxy SERVER/g)).toHaveLength(6);
}, 180_000);
