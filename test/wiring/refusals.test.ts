import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { HAPROXY, VERSION } from '../end-to-end/chain.ts';
import { tool, wiring } from './run.ts';

const root = mkdtempSync(join(tmpdir(), 'haproxy-otel-refusals-'));
afterAll(() => rmSync(root, { recursive: true }));

const SITE = `global
    log 127.0.0.1:5140 local0

defaults
    mode http
    log global
    option httplog
    timeout connect 2s
    timeout client 5s
    timeout server 5s

frontend www
    bind 127.0.0.1:24950 name front
    bind 127.0.0.1:24951 name back
    default_backend app

backend app
    server s 127.0.0.1:24952
`;

function site(text: string): { readonly folder: string; readonly file: string } {
  const folder = mkdtempSync(join(root, 'site-'));
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(file, text);
  return { folder, file };
}

const IS_BEFORE_3_1 = /version (2|3\.0)\./.test(VERSION);
const UNNAMED = SITE.replace(' name front', '').replace(' name back', '');

test.each<[readonly string[], RegExp, string?]>([
  [
    ['--trust', 'bind:front,bind:side'],
    /--trust is "bind:side": one of bind:front, bind:back is accepted/,
  ],
  [
    ['--trust', 'bind:front'],
    /--trust is "bind:front": no "bind" line has a name; "bind … name front" is accepted/,
    UNNAMED,
  ],
  [
    ['--engine', '/dev/null'],
    /HAProxy refuses the result: haproxy\.cfg:\d+: .*: "filter spoe engine otel config '?\/dev\/null/,
  ],
  [
    ['--records', '127.0.0.1:0'],
    /--records is "127\.0\.0\.1:0": a port from 1 to 65535 is accepted/,
  ],
  [['--spop', '[::1]:0'], /--spop is "\[::1\]:0": a port from 1 to 65535 is accepted/],
  [
    ['--ratio', '-0.1'],
    /--ratio is "-0\.1": a number from 0 to 1 with at most six decimals is accepted/,
  ],
])('%j is refused', (args, message, text = SITE) => {
  const { folder, file } = site(text);
  const { status, err } = wiring(folder, 'add', ['haproxy.cfg'], ['--write', ...args]);
  expect(err).toMatch(message);
  expect(status).toBe(2);
  expect(readFileSync(file, 'utf8')).toBe(text);
  expect(readdirSync(folder)).toEqual(['haproxy.cfg']);
});

test('a share without a zero in front, and bind lines that are there', () => {
  const { folder, file } = site(SITE);
  const args = ['--write', '--ratio', '.5', '--trust', 'bind:back'];
  expect(wiring(folder, 'add', ['haproxy.cfg'], args)).toMatchObject({ status: 0, err: '' });
  const wired = readFileSync(file, 'utf8');
  expect(wired).toContain('setenv OTEL_RATIO 0.5\n');
  expect(wired).toContain('acl otel_trusted so_name back\n');
  expect(wiring(folder, 'add').out).toContain('Nothing is to be changed.');
});

test('an engine that is not there yet is named, with what puts it there', () => {
  const { folder } = site(SITE);
  const engine = join(folder, 'missing/folder/otel.conf');
  const added = wiring(folder, 'add', ['haproxy.cfg'], ['--write', '--engine', engine]);
  expect(added).toMatchObject({ status: 0, err: '' });
  const [line = '', command = ''] =
    /^.* is not there yet, where HAProxy does not start without it: (.*)$/m.exec(added.out) ?? [];
  expect(line).toMatch(engine);
  execFileSync('sh', ['-c', command]);
  const again = wiring(folder, 'add').out;
  expect(again).not.toContain('not there yet');
  expect(again).toContain('Nothing is to be changed.');
});

/** The lines of `add` for sites that HAProxy refuses or accepts as they are. */
function refusal(text: string, ...args: readonly string[]): string {
  const { folder } = site(text);
  const { err } = wiring(folder, 'add', ['haproxy.cfg'], args);
  return err.replaceAll(`${folder}/`, '');
}

test('of what HAProxy refuses all is quoted, and nothing that it accepts', () => {
  const twice = SITE.replace('global\n', 'global\n    pidfile /tmp/a\n    pidfile /tmp/b\n');
  expect(refusal(twice)).toBe('');
  const wrong = twice.replace('mode http', 'mode http\n    no-such-keyword');
  const message =
    /refuses the configuration as it is: haproxy\.cfg:8: [^;]*'no-such-keyword'[^;]*\n$/;
  expect(refusal(wrong)).toMatch(message);
  const many = wrong.replace('bind ', 'one a\n    two b\n    three c\n    bind ');
  expect(refusal(many)).toMatch(
    /cfg:8: [^;]*'no-such-keyword'[^;]*; haproxy\.cfg:16: [^;]*'one'[^;]*; haproxy\.cfg:17: [^;]*'two'[^;]*; and \d+ more\n$/,
  );
});

test('warnings that HAProxy refuses a configuration for are quoted', () => {
  const strict = SITE.replace('global\n', 'global\n    zero-warning\n');
  expect(refusal(strict)).toBe('');
  expect(refusal(strict.replace(/^ *timeout client.*\n/m, ''))).toMatch(
    /refuses the configuration as it is: missing timeouts for /,
  );
});

test('what HAProxy refuses of the lines of add is quoted with them', () => {
  const args = ['--tls', '/missing/haproxy.pem', '--ca-file', '/missing/ca.pem'];
  expect(refusal(SITE, ...args)).toMatch(
    /refuses the result: haproxy\.cfg:\d+: .*\/missing\/.*: "server agent .*"; .*\/missing\//,
  );
});

/** Deprecated from 3.1 on, gone from 3.3 on. */
const PROGRAM = '\nprogram helper\n    command sleep 1\n';
const DEPRECATED = `global
    .if version_atleast(3.1)
    expose-deprecated-directives
    .endif
`;

test.runIf(/version (2|3\.[0-2])\./.test(VERSION))(
  'a section for programs of the master process is no hindrance',
  () => {
    const text = `${SITE.replace('global\n', DEPRECATED)}${PROGRAM}`;
    const { folder, file } = site(text);
    expect(wiring(folder, 'add')).toMatchObject({ status: 0, err: '' });
    const { out } = tool(folder, ['check', '--haproxy', HAPROXY, 'haproxy.cfg']);
    expect(out).toContain('haproxy -c takes it');
    expect(wiring(folder, 'remove')).toMatchObject({ status: 0, err: '' });
    expect(readFileSync(file, 'utf8')).toBe(text);
  },
);

test.skipIf(IS_BEFORE_3_1)('why HAProxy refuses a section for programs is quoted', () => {
  expect(refusal(`${SITE}${PROGRAM}`)).toMatch(
    /refuses the configuration as it is: haproxy\.cfg:20: (The 'program' section is deprecated|unknown keyword 'program')/,
  );
});

test('add names the frontends whose records --lines sampled does not leave out', () => {
  const alone = '\nfrontend alone\n    no log\n    bind 127.0.0.1:24953\n    default_backend app\n';
  const quiet =
    '\nfrontend quiet\n    option dontlog-normal\n    bind 127.0.0.1:24954\n    default_backend app\n';
  const { folder } = site(`${SITE}${alone}${quiet}`);
  const noted = (...args: readonly string[]): string[] =>
    [
      ...wiring(folder, 'add', ['haproxy.cfg'], args).out.matchAll(
        /^(.*): "--lines sampled" leaves out no record/gm,
      ),
    ].map(([, name = '']) => name);
  const names = IS_BEFORE_3_1 ? ['frontend www', 'frontend quiet'] : ['frontend quiet'];
  expect(noted('--lines', 'sampled')).toEqual(names);
  expect(noted()).toEqual([]);
});
