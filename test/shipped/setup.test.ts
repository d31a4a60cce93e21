import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';

/** What "in seconds" may be on a machine that is busy: without a network npm gave up after one and a half minutes. */
const SECONDS = 45_000;

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-setup-'));
const sockets: Socket[] = [];
/** Accepts, and never answers. */
const silent: Server = createServer((socket) => sockets.push(socket));
/** Somebody has had this port, and nobody has it now. */
let refused = 0;

beforeAll(async () => {
  for (const file of [
    'package.json',
    'package-lock.json',
    'haproxy/install.sh',
    'test/install.sh',
  ]) {
    cpSync(join(PACKAGE_ROOT, file), join(folder, file));
  }
  silent.listen(0, '127.0.0.1');
  const brief = createServer().listen(0, '127.0.0.1');
  await Promise.all([once(silent, 'listening'), once(brief, 'listening')]);
  refused = portOf(brief);
  brief.close();
  await once(brief, 'close');
});

afterAll(() => {
  silent.close();
  for (const socket of sockets) socket.destroy();
  rmSync(folder, { recursive: true });
});

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not bound');
  return address.port;
}

/** Runs it in a checkout without anything installed; resolves with its exit code, its words and its time. */
async function run(
  command: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ code: number | null; output: string; milliseconds: number }> {
  const [program = '', ...args] = command;
  const started = performance.now();
  const child: ChildProcess = spawn(program, args, {
    cwd: folder,
    env: { ...process.env, npm_config_cache: join(folder, 'npm-cache'), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  await once(child, 'close');
  return { code: child.exitCode, output, milliseconds: performance.now() - started };
}

test.each([
  [['npm', 'run', 'demo'], 'ECONNREFUSED', () => refused],
  [['npm', 'test'], 'ECONNREFUSED', () => refused],
  [['npm', 'run', 'setup'], 'timeout', () => portOf(silent)],
])(
  '%j without a registry (%s) reports it in seconds',
  async (command, reason, port) => {
    const npm_config_registry = `http://127.0.0.1:${port()}/`;
    const { code, output, milliseconds } = await run(command, { npm_config_registry });
    expect(code).not.toBe(0);
    expect(output).toMatch(new RegExp(reason, 'i'));
    expect(output).toContain(
      'The packages of package-lock.json are needed, and npm could not install them: see above',
    );
    expect(milliseconds).toBeLessThan(SECONDS);
  },
  120_000,
);

test.each([
  [
    'haproxy/install.sh',
    'HAProxy 2.6 or later is needed, and apt-get could not install it: see above',
  ],
  [
    'test/install.sh',
    'Needed for the tests, and apt-get could not install it, see above: chromium systemd debootstrap',
  ],
])(
  '%s without a mirror of Debian reports it in seconds',
  async (script, words) => {
    // A Debian on which nothing is installed yet, and a PATH without HAProxy.
    const apt = join(folder, 'apt');
    for (const name of ['lists/partial', 'cache/archives/partial', 'dpkg', 'bin']) {
      mkdirSync(join(apt, name), { recursive: true });
    }
    writeFileSync(join(apt, 'dpkg/status'), '');
    writeFileSync(
      join(apt, 'sources.list'),
      `deb [trusted=yes] http://127.0.0.1:${refused}/ x main\n`,
    );
    writeFileSync(
      join(apt, 'apt.conf'),
      `Dir::Etc::sourcelist "${apt}/sources.list"; Dir::Etc::sourceparts "-"; Dir::State::lists "${apt}/lists";
     Dir::State::status "${apt}/dpkg/status"; Dir::Cache "${apt}/cache"; APT::Sandbox::User "root";`,
    );
    const path = mkdtempSync(join(apt, 'path-'));
    for (const name of ['sh', 'dirname', 'apt-get', 'mkdir']) {
      symlinkSync(`/usr/bin/${name}`, join(path, name));
    }
    const { code, output, milliseconds } = await run(['/bin/sh', script], {
      APT_CONFIG: join(apt, 'apt.conf'),
      PATH: path,
    });
    expect(code).toBe(1);
    expect(output).toContain(`127.0.0.1:${refused}`);
    expect(output).toContain(words);
    expect(milliseconds).toBeLessThan(SECONDS);
  },
  120_000,
);

test('what is installed is left as it is', async () => {
  const installed = join(folder, 'node_modules/.package-lock.json');
  mkdirSync(join(folder, 'node_modules'));
  writeFileSync(installed, '{}');
  const later = Date.now() / 1000 + 60;
  utimesSync(installed, later, later);
  expect(await run(['sh', 'haproxy/install.sh'], {})).toMatchObject({ code: 0, output: '' });
});
