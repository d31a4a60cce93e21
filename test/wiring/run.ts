import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { HAPROXY } from '../end-to-end/chain.ts';

export type Run = { readonly status: number | null; readonly out: string; readonly err: string };

/** Runs the built command in a folder. */
export function tool(
  folder: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Run {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(PACKAGE_ROOT, 'dist/main.js'), ...args],
    { cwd: folder, encoding: 'utf8', env: { PATH: process.env.PATH, ...env } },
  );
  return { status, out: stdout, err: stderr };
}

/** `add` or `remove` of files, asking the HAProxy under test. */
export function wiring(
  folder: string,
  command: 'add' | 'remove',
  paths: readonly string[] = ['haproxy.cfg'],
  args: readonly string[] = ['--write'],
): Run {
  return tool(folder, [
    command,
    ...paths.flatMap((path) => ['-f', path]),
    '--haproxy',
    HAPROXY,
    ...args,
  ]);
}

/** Whether HAProxy accepts files, and its messages. */
export function haproxyCheck(
  folder: string,
  paths: readonly string[],
): { readonly accepted: boolean; readonly said: string[] } {
  const { status, stderr } = spawnSync(HAPROXY, ['-c', ...paths.flatMap((path) => ['-f', path])], {
    cwd: folder,
    encoding: 'utf8',
  });
  const said = stderr.split('\n').filter((line) => /^\[(ALERT|WARNING)\]/.test(line));
  return { accepted: status === 0, said };
}
