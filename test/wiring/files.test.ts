import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { applyChanges } from '../../src/replace-files.ts';
import { HAPROXY } from '../end-to-end/chain.ts';
import { haproxyCheck, tool, wiring } from './run.ts';

const root = mkdtempSync(join(tmpdir(), 'haproxy-otel-files-'));
afterAll(() => rmSync(root, { recursive: true }));

const SITE = `defaults
    mode http
    timeout connect 2s
    timeout client 5s
    timeout server 5s

frontend www
    bind 127.0.0.1:24970
    default_backend app

backend app
    server s 127.0.0.1:24971
`;

let folders = 0;

function site(text = SITE): { readonly folder: string; readonly file: string } {
  folders += 1;
  const folder = join(root, `${folders}`);
  mkdirSync(folder);
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(file, text);
  return { folder, file };
}

test('mode and links of files are preserved, and nothing else is left in the folder', () => {
  const { folder, file } = site();
  const link = join(root, 'link.cfg');
  symlinkSync(file, link);
  chmodSync(file, 0o640);
  expect(wiring(root, 'add', [link])).toMatchObject({ status: 0, err: '' });
  expect(readlinkSync(link)).toBe(file);
  expect(lstatSync(file).isSymbolicLink()).toBe(false);
  expect(statSync(file).mode & 0o777).toBe(0o640);
  expect(readFileSync(file, 'utf8')).toContain('frontend www from otel-rules');
  expect(readdirSync(folder)).toEqual(['haproxy.cfg']);
  // The engine lies beside the configuration, and is as readable.
  expect(statSync(join(root, 'haproxy-otel-spoa.conf')).mode & 0o777).toBe(0o640);
  expect(wiring(root, 'remove', [link])).toMatchObject({ status: 0, err: '' });
  expect(readFileSync(file, 'utf8')).toBe(SITE);
  expect(readdirSync(root)).not.toContain('haproxy-otel-spoa.conf');
});

test('paths that start from the configuration lead to the same files while it is tried out', () => {
  const { folder } = site(
    `global\n    default-path config\n${SITE}`.replace(
      'app\n\nbackend',
      'app\n    errorfile 503 errors/503.http\n\nbackend',
    ),
  );
  mkdirSync(join(folder, 'errors'));
  writeFileSync(join(folder, 'errors/503.http'), 'HTTP/1.1 503 Away\r\ncontent-length: 0\r\n\r\n');
  expect(wiring(root, 'add', [join(folder, 'haproxy.cfg')])).toMatchObject({ status: 0, err: '' });
  expect(haproxyCheck('/', [join(folder, 'haproxy.cfg')]).accepted).toBe(true);
});

test('a line or a comment of the user that resembles ours stays, and so does one behind ours', () => {
  const text = SITE.replace(
    'default_backend app\n',
    '$&    http-request set-header x-trace on # otel\n',
  ).replace('frontend www\n', 'frontend www # otel: was "frontend old"\n');
  const { folder, file } = site(text);
  expect(wiring(folder, 'add', [file])).toMatchObject({ status: 0, err: '' });
  const wired = readFileSync(file, 'utf8');
  writeFileSync(
    file,
    wired.replace(/^(frontend www .*)$/m, '$1 # mine').replaceAll('# <<< otel\n', '# <<< otel  \n'),
  );
  expect(wiring(folder, 'remove', [file])).toMatchObject({ status: 0, err: '' });
  expect(readFileSync(file, 'utf8')).toBe(text.replace(/^(frontend www .*)$/m, '$1 # mine'));
});

test('what HAProxy refuses is not written, and the line is named', () => {
  const { folder, file } = site(SITE.replace('mode http', 'mode http\n    no-such-keyword'));
  const before = readFileSync(file, 'utf8');
  const already = wiring(folder, 'add');
  expect(already.status).toBe(2);
  expect(already.err).toMatch(
    /HAProxy refuses the configuration as it is: haproxy\.cfg:3: unknown keyword 'no-such-keyword'/,
  );
  expect(readFileSync(file, 'utf8')).toBe(before);
  expect(readdirSync(folder)).toEqual(['haproxy.cfg']);
});

test.each([
  [['--frontend', 'nobody'], /--frontend is "nobody": one of www is accepted/],
  [['--trust', 'some'], /--trust is "some": .* is accepted/],
  [['--spop', 'fd:3'], /HAPROXY_OTEL_SPOP is "fd:3": --spop has to say where that is/],
  [['--haproxy', '/nowhere/haproxy'], /--haproxy is "\/nowhere\/haproxy"/],
  [['--frontends'], /--frontends/],
])('%j is refused', (args, message) => {
  const { folder, file } = site();
  const run = wiring(folder, 'add', ['haproxy.cfg'], ['--write', ...args]);
  expect(run.status).toBe(2);
  expect(run.err).toMatch(message);
  expect(readFileSync(file, 'utf8')).toBe(SITE);
});

test('lines of the same names that somebody else wrote are not touched', () => {
  const { folder } = site(`${SITE}\nring otel\n    server a 127.0.0.1:1\n`);
  const { status, err } = wiring(folder, 'add');
  expect(status).toBe(2);
  expect(err).toContain('haproxy.cfg:14: "ring otel" was not written by "add"');
});

test('an engine file that somebody else wrote is not touched', () => {
  const { folder } = site();
  writeFileSync(join(folder, 'haproxy-otel-spoa.conf'), 'mine');
  const { status, err } = wiring(folder, 'add');
  expect(status).toBe(2);
  expect(err).toContain('haproxy-otel-spoa.conf is there already');
});

test('a block without an end is not guessed at', () => {
  const { folder, file } = site();
  wiring(folder, 'add');
  writeFileSync(file, readFileSync(file, 'utf8').replace('# <<< otel\n', ''));
  for (const command of ['add', 'remove'] as const) {
    const { status, err } = wiring(folder, command);
    expect(status).toBe(2);
    expect(err).toMatch(/haproxy\.cfg:\d+: the block that begins here does not end/);
  }
});

test('a file that was changed meanwhile is left alone, and so are all others', () => {
  const { folder, file } = site();
  const other = join(folder, 'other.cfg');
  writeFileSync(other, 'other');
  const changes = [
    { path: other, before: Buffer.from('other'), after: Buffer.from('ours') },
    { path: file, before: Buffer.from('was read'), after: Buffer.from('ours') },
  ];
  expect(() => applyChanges(changes, file)).toThrow(
    /haproxy\.cfg was changed by somebody else meanwhile/,
  );
  expect(readFileSync(file, 'utf8')).toBe(SITE);
  expect(readFileSync(other, 'utf8')).toBe('other');
  expect(readdirSync(folder).sort()).toEqual(['haproxy.cfg', 'other.cfg']);
});

test('where the last of several changes fails the others are undone, mode and all', () => {
  const { folder, file } = site();
  chmodSync(file, 0o640);
  const other = join(folder, 'other.cfg');
  writeFileSync(other, 'other', { mode: 0o640 });
  const gone = { path: other, before: Buffer.from('other'), after: undefined };
  const changes = [
    { path: join(folder, 'new.conf'), before: undefined, after: Buffer.from('new') },
    { path: file, before: Buffer.from(SITE), after: Buffer.from('ours') },
    gone,
    // It cannot be removed twice.
    gone,
  ];
  expect(() => applyChanges(changes, file)).toThrow(/^nothing is written: ENOENT/);
  expect(readdirSync(folder).sort()).toEqual(['haproxy.cfg', 'other.cfg']);
  expect([readFileSync(file, 'utf8'), readFileSync(other, 'utf8')]).toEqual([SITE, 'other']);
  for (const each of [file, other]) expect(statSync(each).mode & 0o777).toBe(0o640);
});

test('a mark that somebody took away from the first line of a section is no hindrance', () => {
  const defaults = SITE.slice(0, SITE.indexOf('frontend'));
  const text = SITE.replace(
    '\nbackend app',
    `\n${defaults.replace('defaults', 'defaults own')}frontend named from own\n    bind 127.0.0.1:24972\n    default_backend app\n\nbackend app from own`,
  );
  const { folder, file } = site(text);
  expect(wiring(folder, 'add')).toMatchObject({ status: 0, err: '' });
  const wired = readFileSync(file, 'utf8');
  const bare = wired.replace(/ # haproxy-otel-spoa: was .*$/gm, '');
  expect(bare).not.toBe(wired);
  writeFileSync(file, bare);
  expect(wiring(folder, 'add')).toMatchObject({ status: 0, err: '' });
  expect(readFileSync(file, 'utf8')).toBe(wired);
  writeFileSync(file, bare);
  expect(wiring(folder, 'remove')).toMatchObject({ status: 0, err: '' });
  expect(readFileSync(file, 'utf8')).toBe(text);
});

test('sections whose words are quoted', () => {
  const text = SITE.replace('defaults', '"defaults"').replace('frontend www', "'frontend' www");
  const { folder, file } = site(text);
  expect(wiring(folder, 'add')).toMatchObject({ status: 0, err: '' });
  expect(readFileSync(file, 'utf8')).toMatch(
    /^"defaults" otel-base # .*\n[\s\S]*^'frontend' www from otel-rules # /m,
  );
  expect(wiring(folder, 'add').out).toContain('Nothing is to be changed.');
  expect(wiring(folder, 'remove')).toMatchObject({ status: 0, err: '' });
  expect(readFileSync(file, 'utf8')).toBe(text);
});

test('a configuration that HAProxy would not start with for lack of a listener: the reason is named', () => {
  const { folder } = site(SITE.replace(/^ *bind.*\n/m, ''));
  const { status, err } = wiring(folder, 'add');
  expect(status).toBe(2);
  expect(err).toContain(
    'HAProxy refuses the configuration as it is: Configuration file has no error but will not start (no listener)',
  );
});

test('files are named in the same way to all commands', () => {
  const { folder, file } = site();
  for (const args of [['haproxy.cfg'], ['-f', 'haproxy.cfg'], ['--file=haproxy.cfg']]) {
    for (const command of ['add', 'remove']) {
      const run = tool(folder, [command, ...args, '--write', '--haproxy', HAPROXY]);
      expect(run).toMatchObject({ status: 0, err: '' });
      expect(run.out).toContain(`${file}: written`);
      if (command === 'remove') continue;
      const checked = tool(folder, ['check', ...args, '--haproxy', HAPROXY]);
      expect(checked.out).toContain('Nothing is wrong.');
    }
  }
});

test('frontends come one by one, and go one by one', () => {
  const { folder, file } = site(
    SITE.replace(
      '\nbackend app',
      '\nfrontend other\n    bind 127.0.0.1:24972\n    default_backend app\n\nfrontend third\n    bind 127.0.0.1:24973\n    default_backend app\n\nbackend app',
    ),
  );
  const before = readFileSync(file, 'utf8');
  const traced = (): string[] =>
    [...readFileSync(file, 'utf8').matchAll(/^frontend (\S+) from otel-rules/gm)].map(
      ([, name = '']) => name,
    );
  const run = (command: 'add' | 'remove', ...names: string[]) => {
    const words = names.flatMap((name) => ['--frontend', name]);
    return wiring(folder, command, ['haproxy.cfg'], ['--write', ...words]);
  };
  run('add', 'www');
  expect(traced()).toEqual(['www']);
  run('add', 'other');
  expect(traced()).toEqual(['www', 'other']);
  run('add');
  expect(traced()).toEqual(['www', 'other']);
  expect(run('remove', 'third').err).toContain(
    '--frontend is "third": one of www, other is accepted',
  );
  run('remove', 'www');
  expect(traced()).toEqual(['other']);
  run('remove', 'other');
  expect(readFileSync(file, 'utf8')).toBe(before);
  // All, but one: what is there is traced, and no other.
  run('add');
  expect(traced()).toEqual(['www', 'other', 'third']);
  run('add', 'www');
  expect(traced()).toEqual(['www', 'other', 'third']);
  run('remove', 'other');
  expect(traced()).toEqual(['www', 'third']);
  // One that is gone is forgotten.
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace(/^frontend third [\s\S]*?(?=^backend)/m, ''),
  );
  expect(run('add')).toMatchObject({ status: 0, err: '' });
  expect(readFileSync(file, 'utf8')).toMatch(/^# >>> otel: .* --frontend www --spop/m);
});

test("a rule of the user's that removes the trace is named", () => {
  const { folder } = site(
    SITE.replace('\nbackend app\n', '$&    http-request del-header traceparent\n'),
  );
  const { out } = wiring(folder, 'add');
  expect(out).toContain(
    'haproxy.cfg:12: traceparent is removed. Servers start traces of their own',
  );
});

test('HAProxy starts with what add wrote also when the package is gone', () => {
  const { folder, file } = site();
  wiring(folder, 'add');
  const loaded = [...readFileSync(file, 'utf8').matchAll(/config (\/\S+)/g)].map(
    ([, path]) => path,
  );
  expect(new Set(loaded)).toEqual(new Set([join(folder, 'haproxy-otel-spoa.conf')]));
});

test('lines are in the form of the file: its indentation, its line ends, bytes that are no UTF-8', () => {
  const text = `# caf\xe9\r\n${SITE.replaceAll('    ', '\t').replaceAll('\n', '\r\n')}`;
  const { folder, file } = site('');
  writeFileSync(file, text, 'latin1');
  expect(wiring(folder, 'add')).toMatchObject({ status: 0, err: '' });
  const wired = readFileSync(file, 'latin1');
  expect(wired.split('\n').every((line) => line === '' || line.endsWith('\r'))).toBe(true);
  expect(wired).toContain('\tfilter spoe engine otel');
  expect(wiring(folder, 'remove')).toMatchObject({ status: 0, err: '' });
  expect(readFileSync(file, 'latin1')).toBe(text);
});
