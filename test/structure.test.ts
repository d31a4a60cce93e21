import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from 'vitest';

const SRC = join(import.meta.dirname, '../src');

/** What each part may import of the others; single files of `src` are parts of their own. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'main.ts': [
    'agent.ts',
    'commands.ts',
    'config',
    'demo',
    'log.ts',
    'options.ts',
    'reload.ts',
    'settings.ts',
    'systemd',
    'telemetry/channel.ts',
    'tools.ts',
    'version.ts',
  ],
  'reload.ts': ['config', 'log.ts', 'settings.ts', 'systemd/notifier.ts', 'telemetry/config.ts'],
  'tools.ts': [
    'check/command.ts',
    'commands.ts',
    'options.ts',
    'settings.ts',
    'verify/command.ts',
    'wiring/command.ts',
    'wiring/remove.ts',
  ],
  'options.ts': ['settings.ts'],
  'commands.ts': ['config/table.ts', 'options.ts'],
  'agent.ts': [
    'admin/mint-meter.ts',
    'config/config.ts',
    'connection-log.ts',
    'context',
    'listen.ts',
    'log.ts',
    'records/finish-message.ts',
    'remote-sampling/remote-sampling.ts',
    'spop',
    'telemetry/channel.ts',
  ],
  config: [
    'admin/config.ts',
    'commands.ts',
    'context',
    'endpoint.ts',
    'listen.ts',
    'options.ts',
    'records/redaction.ts',
    'settings.ts',
    'spop',
    'systemd/sockets.ts',
    'telemetry/config.ts',
  ],
  'connection-log.ts': ['log.ts', 'spop'],
  'datagrams.ts': ['endpoint.ts', 'listen.ts'],
  'endpoint.ts': [],
  'settings.ts': ['listen.ts'],
  'listen.ts': ['endpoint.ts'],
  'log.ts': [],
  'version.ts': [],
  'bytes.ts': [],
  spop: ['bytes.ts'],
  systemd: ['settings.ts'],
  context: ['bytes.ts', 'spop'],
  records: ['context', 'spop'],
  'remote-sampling': ['context', 'log.ts', 'version.ts'],
  admin: ['context', 'endpoint.ts', 'listen.ts', 'records'],
  telemetry: [
    'admin',
    'bytes.ts',
    'context',
    'datagrams.ts',
    'endpoint.ts',
    'listen.ts',
    'log.ts',
    'records',
    'remote-sampling/remote-sampling.ts',
    'version.ts',
  ],
  demo: ['haproxy/shipped.ts', 'wiring/options.ts', 'wiring/wire.ts'],
  haproxy: ['config/table.ts', 'listen.ts', 'settings.ts'],
  check: [
    'commands.ts',
    'config/settings-file.ts',
    'config/table.ts',
    'haproxy',
    'listen.ts',
    'options.ts',
    'replace-files.ts',
    'settings.ts',
    'wiring',
  ],
  'replace-files.ts': ['settings.ts'],
  wiring: [
    'commands.ts',
    'config/settings-file.ts',
    'config/table.ts',
    'haproxy',
    'listen.ts',
    'options.ts',
    'records/chosen-attributes.ts',
    'records/format.ts',
    'records/json-log.ts',
    'records/table.ts',
    'replace-files.ts',
    'settings.ts',
  ],
  verify: [
    'commands.ts',
    'config/settings-file.ts',
    'config/table.ts',
    'listen.ts',
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

test('no file imports itself through others', () => {
  const reach = (file: string, seen: Set<string>): Set<string> => {
    for (const next of importsOf(file).filter((name) => files.includes(name))) {
      if (!seen.has(next)) reach(next, seen.add(next));
    }
    return seen;
  };
  expect(files.filter((file) => reach(file, new Set()).has(file))).toEqual([]);
});
