import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
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

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-setup-'));
const sockets: Socket[] = [];
/** Accepts, and never answers. */
const silent: Server = createServer((socket) => sockets.push(socket));
/** Accepts, and hangs up. */
let hungUp = 0;
const rude: Server = createServer((socket) => {
  hungUp += 1;
  socket.on('error', () => {});
  socket.destroy();
});
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
  const brief = createServer();
  for (const server of [silent, rude, brief]) {
    await once(server.listen(0, '127.0.0.1'), 'listening');
  }
  refused = portOf(brief);
  brief.close();
  await once(brief, 'close');
});

afterAll(() => {
  silent.close();
  rude.close();
  for (const socket of sockets) socket.destroy();
  rmSync(folder, { recursive: true });
});

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not bound');
  return address.port;
}

/** Runs it in a checkout without anything installed; resolves with its exit code, its words and how often npm asked. */
async function run(
  command: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ code: number | null; output: string; attempts: string[] }> {
  const [program = '', ...args] = command;
  const cache = mkdtempSync(join(folder, 'npm-cache-'));
  const child: ChildProcess = spawn(program, args, {
    cwd: folder,
    env: { ...process.env, npm_config_cache: cache, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  await once(child, 'close');
  const logs = join(cache, '_logs');
  const attempts = (existsSync(logs) ? readdirSync(logs) : []).flatMap(
    (file) => readFileSync(join(logs, file), 'utf8').match(/GET \S+ attempt \d+ failed/g) ?? [],
  );
  return { code: child.exitCode, output, attempts };
}

test.each([
  [['npm', 'run', 'demo'], 'ECONNREFUSED', () => refused],
  [['npm', 'test'], 'ECONNREFUSED', () => refused],
  [['npm', 'run', 'setup'], 'timeout', () => portOf(silent)],
])(
  '%j without a registry (%s) reports it once it has asked for one package, once',
  async (command, reason, port) => {
    const npm_config_registry = `http://127.0.0.1:${port()}/`;
    const { code, output, attempts } = await run(command, { npm_config_registry });
    expect(code).not.toBe(0);
    expect(output).toMatch(new RegExp(reason, 'i'));
    expect(output).toContain(
      'The packages of package-lock.json are needed, and npm could not install them: see above',
    );
    // Hundreds, each several times, take npm one and a half minutes.
    expect(attempts).toEqual([expect.stringMatching(/\/selfsigned attempt 1 failed$/)]);
  },
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
  '%s without a mirror of Debian reports it once it has tried again once',
  async (script, words) => {
    // A Debian on which nothing is installed yet, and a PATH without HAProxy.
    const apt = join(folder, 'apt');
    for (const name of ['lists/partial', 'cache/archives/partial', 'dpkg', 'bin']) {
      mkdirSync(join(apt, name), { recursive: true });
    }
    writeFileSync(join(apt, 'dpkg/status'), '');
    writeFileSync(
      join(apt, 'sources.list'),
      `deb [trusted=yes] http://127.0.0.1:${portOf(rude)}/ x main\n`,
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
    hungUp = 0;
    const { code, output } = await run(['/bin/sh', script], {
      APT_CONFIG: join(apt, 'apt.conf'),
      PATH: path,
    });
    expect(code).toBe(1);
    expect(output).toContain(`127.0.0.1:${portOf(rude)}`);
    expect(output).toContain(words);
    // apt asks twice each time; the more often, the longer it waits in between.
    expect(hungUp).toBeLessThanOrEqual(4);
  },
);

test('what is installed is left as it is', async () => {
  const installed = join(folder, 'node_modules/.package-lock.json');
  mkdirSync(join(folder, 'node_modules'));
  writeFileSync(installed, '{}');
  const later = Date.now() / 1000 + 60;
  utimesSync(installed, later, later);
  expect(await run(['sh', 'haproxy/install.sh'], {})).toMatchObject({ code: 0, output: '' });
});
