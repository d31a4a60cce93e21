import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { expect, test } from 'vitest';

const SRC = join(import.meta.dirname, '../src');

/** What each part may import of the others; single files of `src` are parts of their own. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'main.ts': [
    'agent.ts',
    'command-line.ts',
    'commands.ts',
    'config',
    'demo',
    'error-text.ts',
    'log.ts',
    'options.ts',
    'reload.ts',
    'settings.ts',
    'systemd',
    'threads/telemetry-channel.ts',
    'tools.ts',
    'upgrade',
    'version.ts',
  ],
  'reload.ts': [
    'config',
    'error-text.ts',
    'log.ts',
    'settings.ts',
    'systemd/notifier.ts',
    'telemetry/config.ts',
  ],
  'tools.ts': [
    'check/command.ts',
    'commands.ts',
    'options.ts',
    'settings.ts',
    'verify/command.ts',
    'wiring/command.ts',
    'wiring/remove.ts',
  ],
  'command-line.ts': ['commands.ts', 'options.ts', 'settings.ts'],
  'options.ts': ['settings.ts'],
  'commands.ts': ['config/table.ts', 'options.ts'],
  'agent.ts': [
    'config/config.ts',
    'connection-log.ts',
    'context',
    'listen-address.ts',
    'listen.ts',
    'listener-tls.ts',
    'log.ts',
    'mint-log.ts',
    'read-in-place.ts',
    'remote-sampling/remote-sampling.ts',
    'spop',
    'threads',
    'upgrade',
  ],
  upgrade: [
    'config/config.ts',
    'descriptors.ts',
    'error-text.ts',
    'listen-address.ts',
    'log.ts',
    'read-in-place.ts',
    'records/record-connection.ts',
    'settings.ts',
    'spop/connection.ts',
  ],
  'telemetry-worker.ts': [
    'error-text.ts',
    'listen-address.ts',
    'record-listener.ts',
    'telemetry-thread.ts',
    'threads/messages.ts',
  ],
  'telemetry-thread.ts': [
    'admin',
    'error-text.ts',
    'listen-address.ts',
    'listen.ts',
    'log.ts',
    'record-listener.ts',
    'records',
    'telemetry',
    'threads',
    'version.ts',
  ],
  threads: [
    'admin',
    'histogram.ts',
    'listen-address.ts',
    'listener-tls.ts',
    'log.ts',
    'records/record-connection.ts',
    'telemetry',
  ],
  config: [
    'admin/config.ts',
    'context',
    'endpoint.ts',
    'error-text.ts',
    'listen-address.ts',
    'listener-tls.ts',
    'records/redaction.ts',
    'settings.ts',
    'spop',
    'systemd/sockets.ts',
    'telemetry/config.ts',
    'threads/messages.ts',
  ],
  'connection-log.ts': ['log-throttle.ts', 'log.ts', 'spop'],
  'datagrams.ts': ['descriptors.ts', 'endpoint.ts', 'listen-address.ts', 'listen.ts'],
  'descriptors.ts': [],
  'read-in-place.ts': ['descriptors.ts'],
  'endpoint.ts': [],
  'settings.ts': ['endpoint.ts', 'listen-address.ts'],
  'listen-address.ts': ['endpoint.ts'],
  'pem.ts': [],
  'listen.ts': [
    'descriptors.ts',
    'endpoint.ts',
    'error-text.ts',
    'listen-address.ts',
    'socket-file.ts',
  ],
  'socket-file.ts': ['error-text.ts'],
  'listener-tls.ts': ['endpoint.ts', 'error-text.ts', 'listen-address.ts', 'listen.ts', 'pem.ts'],
  'error-text.ts': [],
  'log-throttle.ts': [],
  'mint-log.ts': ['context/mint-request.ts', 'log-throttle.ts', 'log.ts'],
  'record-listener.ts': [
    'datagrams.ts',
    'listen-address.ts',
    'listen.ts',
    'listener-tls.ts',
    'read-in-place.ts',
    'records',
  ],
  'log.ts': [],
  'version.ts': [],
  'bytes.ts': [],
  'least-used.ts': [],
  spop: ['bytes.ts', 'descriptors.ts', 'least-used.ts'],
  systemd: ['settings.ts'],
  context: ['bytes.ts', 'spop'],
  records: ['bytes.ts', 'context', 'descriptors.ts', 'least-used.ts'],
  'remote-sampling': ['context', 'error-text.ts', 'log.ts', 'version.ts'],
  admin: [
    'context',
    'endpoint.ts',
    'histogram.ts',
    'listen-address.ts',
    'listen.ts',
    'records',
    'telemetry',
  ],
  'histogram.ts': [],
  telemetry: [
    'bytes.ts',
    'context',
    'endpoint.ts',
    'histogram.ts',
    'log-throttle.ts',
    'log.ts',
    'pem.ts',
    'records',
    'remote-sampling/remote-sampling.ts',
    'version.ts',
  ],
  demo: ['haproxy/shipped.ts', 'wiring/options.ts', 'wiring/wire.ts'],
  haproxy: ['config/table.ts', 'endpoint.ts', 'listen-address.ts', 'settings.ts'],
  check: [
    'commands.ts',
    'config/settings-file.ts',
    'config/table.ts',
    'haproxy',
    'listen-address.ts',
    'options.ts',
    'replace-files.ts',
    'settings.ts',
    'wiring',
  ],
  'replace-files.ts': ['error-text.ts', 'settings.ts'],
  wiring: [
    'commands.ts',
    'config/settings-file.ts',
    'config/table.ts',
    'haproxy',
    'listen-address.ts',
    'options.ts',
    'records/format.ts',
    'records/json-log.ts',
    'records/opt-in-attributes.ts',
    'records/table.ts',
    'replace-files.ts',
    'settings.ts',
  ],
  verify: [
    'commands.ts',
    'config/settings-file.ts',
    'config/table.ts',
    'error-text.ts',
    'listen-address.ts',
    'options.ts',
    'settings.ts',
    'spop',
    'version.ts',
  ],
};

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
);

/** Files of `src` that a file imports, and packages by name. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(SRC, file), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?'([^']+)'/g)].map(([, name = '']) =>
    name.startsWith('.') ? relative(SRC, join(SRC, dirname(file), name)) : name,
  );
}

const partOf = (file: string): string => file.split('/', 1)[0] ?? '';

test.each(files)('%s imports only what its part may', (file) => {
  const own = partOf(file);
  const allowed = MAY_IMPORT[own] ?? [];
  const others = importsOf(file).filter((name) => name.endsWith('.ts') && partOf(name) !== own);
  expect(
    others.filter((name) => !allowed.includes(partOf(name)) && !allowed.includes(name)),
  ).toEqual([]);
});

test('only telemetry, remote sampling and the demo know the OpenTelemetry SDK and gRPC', () => {
  const users = files.filter((file) =>
    importsOf(file).some((name) => /^@(opentelemetry|grpc)\//.test(name)),
  );
  expect([...new Set(users.map(partOf))].sort()).toEqual(['demo', 'remote-sampling', 'telemetry']);
});

test('only the command reads the environment', () => {
  const readers = files.filter(
    (file) =>
      partOf(file) !== 'demo' && readFileSync(join(SRC, file), 'utf8').includes('process.env'),
  );
  expect(readers).toEqual(['main.ts']);
});

test('an error is logged as err, which alone is written with its message and stack', () => {
  const calls = files.flatMap((file) =>
    [
      ...readFileSync(join(SRC, file), 'utf8').matchAll(
        /\blog\.(?:fatal|error|warn|info|debug|trace)\(\s*\{([^}]*)\}/g,
      ),
    ].map(([, fields = '']) => `${file}: ${fields.trim()}`),
  );
  expect(calls.length).toBeGreaterThan(20);
  expect(calls.filter((fields) => /\berr: error\b/.test(fields)).length).toBeGreaterThan(2);
  expect(
    calls.filter((fields) => /\berror\b(?!\.message)/.test(fields.replace(/\berr: error\b/, ''))),
  ).toEqual([]);
});

test('the page never makes markup of text', () => {
  const folder = join(SRC, 'admin/page');
  const scripts = readdirSync(folder).filter((file) => file.endsWith('.js'));
  expect(scripts.length).toBeGreaterThan(3);
  const text = scripts.map((file) => readFileSync(join(folder, file), 'utf8')).join('');
  expect(text).not.toMatch(
    /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|srcdoc/,
  );
});

/** All that is imported from `start` on, directly or through others. */
function reach<T>(start: T, next: (from: T) => readonly T[], seen = new Set<T>()): Set<T> {
  for (const each of next(start)) if (!seen.has(each)) reach(each, next, seen.add(each));
  return seen;
}

test('no file imports itself through others', () => {
  const next = (file: string) => importsOf(file).filter((name) => files.includes(name));
  expect(files.filter((file) => reach(file, next).has(file))).toEqual([]);
});

/** Parts, by what `partOf` has of each file, that import themselves through others. */
function partsInCircles(partOf: (file: string) => string | undefined): string[] {
  const next = (part: string): string[] =>
    files
      .filter((file) => partOf(file) === part)
      .flatMap(importsOf)
      .flatMap((name) => (files.includes(name) ? (partOf(name) ?? []) : []))
      .filter((other) => other !== part);
  const parts = new Set(files.flatMap((file) => partOf(file) ?? []));
  return [...parts].filter((part) => reach(part, next).has(part));
}

test('no part imports itself through others', () => {
  expect(partsInCircles(partOf)).toEqual([]);
});

test('no folder of telemetry imports itself through others', () => {
  const folderOf = (file: string) => /^telemetry\/([^/]+)\//.exec(file)?.[1];
  expect(partsInCircles(folderOf)).toEqual([]);
});

const TEST = import.meta.dirname;

/** What is of no folder of `src`: the real HAProxy and the agent on it, faults and inputs at random, and what a release has beside the program. */
const SUITES = ['chaos', 'end-to-end', 'fuzz', 'shipped'];

const tests = readdirSync(TEST, { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('.test.ts') && !SUITES.includes(partOf(file)),
);

/**
 * Parts of `src` that a test imports, but those of the demo, with which many are built; its own where it has helpers
 * beside it, by which it runs the program.
 */
function partsTestedBy(file: string): Set<string> {
  const text = readFileSync(join(TEST, file), 'utf8');
  if (/'\.\/[^']+'/.test(text)) return new Set([partOf(file)]);
  const imported = [...text.matchAll(/'(?:\.\.\/)+src\/([^']+)'/g)].map(([, name = '']) => name);
  return new Set(imported.map(partOf).filter((part) => part !== 'demo'));
}

test.each(tests.filter((file) => file !== 'structure.test.ts'))(
  'test/%s lies where that lies in src which it tests',
  (file) => {
    const folder = dirname(file);
    if (folder === '.') {
      expect(files).toContain(basename(file).replace('.test.ts', '.ts'));
      return;
    }
    expect(existsSync(join(SRC, folder)), `src/${folder}`).toBe(true);
    const parts = partsTestedBy(file);
    if (parts.size > 0) expect([...parts]).toContain(partOf(file));
  },
);
