// biome-ignore-all lint/suspicious/noTemplateCurlyInString: HAProxy writes its variables like that
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Finding } from '../../src/check/finding.ts';
import { SHIPPED_ENGINE } from '../../src/haproxy/shipped.ts';
import { HAPROXY } from '../end-to-end/chain.ts';
import { tool, wiring } from '../wiring/run.ts';

const root = mkdtempSync(join(tmpdir(), 'haproxy-otel-check-'));
afterAll(() => rmSync(root, { recursive: true }));

const SITE = `global
    log 127.0.0.1:5140 local0
    maxconn 1000

defaults
    mode http
    log global
    option httplog
    timeout connect 2s
    timeout client 5s
    timeout server 5s

frontend shop
    bind 127.0.0.1:24990
    http-request set-header X-Shop yes
    default_backend app

listen admin
    bind 127.0.0.1:24991
    server s 127.0.0.1:24992

backend app
    server s 127.0.0.1:24992
`;

type Report = {
  readonly findings: readonly Finding[];
  readonly frontends: readonly { name: string; traced: boolean }[];
};

let folders = 0;

/** The findings of `check` in a site with the lines of `add`, edited. */
function checked(
  edit: (text: string) => string,
  {
    site = SITE,
    args = [],
    env = {},
    add = [],
  }: {
    site?: string;
    args?: readonly string[];
    env?: Readonly<Record<string, string>>;
    add?: readonly string[];
  } = {},
): { readonly status: number | null; readonly report: Report; readonly found: string[] } {
  folders += 1;
  const folder = mkdtempSync(join(root, `${folders}-`));
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(file, site);
  const added = wiring(folder, 'add', ['haproxy.cfg'], [...add, '--write']);
  expect(added, added.err).toMatchObject({ status: 0 });
  const engine = join(folder, 'haproxy-otel-spoa.conf');
  writeFileSync(file, edit(readFileSync(file, 'utf8')).replaceAll('ENGINE', engine));
  if (args.includes('no engine')) rmSync(engine);
  if (args.includes('old engine'))
    writeFileSync(engine, readFileSync(engine, 'utf8').replace('50ms', '51ms'));
  const options = args.filter((arg) => arg.startsWith('--') || arg.includes(':'));
  const { status, out } = tool(
    folder,
    ['check', '--json', '--haproxy', HAPROXY, ...options, 'haproxy.cfg'],
    env,
  );
  const report: Report = JSON.parse(out);
  const lines = readFileSync(file, 'utf8').split('\n');
  const found = report.findings.map(
    ({ code, line = 0 }) => `${code} at ${(lines[line - 1] ?? '').trim()}`,
  );
  return { status, report, found };
}

test('what HAProxy refuses of a configuration is quoted beside what else is wrong', () => {
  writeFileSync(
    join(root, 'refused.cfg'),
    SITE.replace('default_backend app', 'default_backend zork'),
  );
  const { out } = tool(root, ['check', '--json', '--haproxy', HAPROXY, 'refused.cfg']);
  const { findings }: Report = JSON.parse(out);
  expect(findings.map(({ code }) => code)).toEqual(['haproxy-refuses', 'nothing-traced']);
  expect(findings[0]?.what).toContain("'zork'");
});

test('of what add wrote there is no finding', () => {
  const { status, report } = checked((text) => text);
  expect(report.findings).toEqual([]);
  expect(report.frontends.map(({ name, traced }) => `${name} ${traced}`)).toEqual([
    'shop true',
    'admin true',
  ]);
  expect(status).toBe(0);
});

const rule =
  (line: string) =>
  (text: string): string =>
    text.replace('    http-request set-header X-Shop yes\n', (found) => `${found}    ${line}\n`);

/** What is done to the lines, and what is found: at the user's line. */
const CASES: Readonly<
  Record<string, readonly [(text: string) => string, RegExp, Parameters<typeof checked>[1]?]>
> = {
  'everything was taken out': [() => SITE, /^nothing-traced at global$/],
  'a rule was taken out': [
    (text) => text.replace(/^ *http-request set-header traceparent.*\n/m, ''),
    /^lines-differ at /,
  ],
  'a rule was changed': [
    (text) => text.replace('172.16.0.0/12 ', ''),
    /^lines-differ at acl otel_trusted src/,
  ],
  'a frontend was added': [
    (text) => `${text}\nfrontend new\n    bind 127.0.0.1:24993\n    default_backend app\n`,
    /^lines-differ at .*new/,
  ],
  'a filter stands before ours': [
    (text) => text.replace(/^( *)filter spoe/m, '$1filter trace\n$1filter spoe'),
    /^lines-differ at /,
  ],
  'the log is turned off behind our lines': [rule('no log'), /^lines-differ at /],
  'a buffer is smaller': [
    (text) => text.replace('maxconn 1000', 'tune.bufsize 8192'),
    /^lines-differ at (maxlen|log)/,
  ],
  'lines from elsewhere': [
    (text) =>
      `${text.replace(/# >>> otel: haproxy(.|\n)*?# <<< otel\n/, '')}\nring otel\n    server a 127.0.0.1:1\n`,
    /^lines-foreign at ring otel$/,
  ],
  'the engine is gone': [(text) => text, /^engine-file-missing at /, { args: ['no engine'] }],
  'the engine is another': [(text) => text, /^engine-file-differs at /, { args: ['old engine'] }],
  'the agent is elsewhere': [
    (text) => text,
    /^agent-address at backend otel-agents$/,
    { args: ['--spop', '127.0.0.1:9'] },
  ],
  'the agent is at an abstract socket': [
    (text) => text,
    /^agent-address at backend otel-agents$/,
    { env: { HAPROXY_OTEL_SPOP: 'abns@otel' } },
  ],
  'the agent is at another abstract socket': [
    (text) => text,
    /^agent-address at backend otel-agents$/,
    { add: ['--spop', 'abns@otel'], env: { HAPROXY_OTEL_SPOP: 'abns@elsewhere' } },
  ],
  'records by an abstract socket': [
    (text) => text,
    /^records-datagrams at ring otel$/,
    { add: ['--records', 'abns@otel'], env: { HAPROXY_OTEL_RECORDS: 'abns@otel' } },
  ],
  'records go elsewhere': [
    (text) => text,
    /^records-address at ring otel$/,
    { env: { HAPROXY_OTEL_RECORDS: '127.0.0.1:9' } },
  ],
  'the agent takes smaller frames': [
    (text) => text,
    /^frame-size at tune.bufsize 131072$/,
    { site: SITE.replace('maxconn 1000', 'tune.bufsize 131072') },
  ],
  'a socket outside of the chroot': [
    (text) => text,
    /^agent-chroot at backend otel-agents/,
    {
      site: SITE.replace('maxconn 1000', `chroot ${root}`),
      add: ['--spop', 'unix:/run/otel.sock'],
      args: ['--spop', 'unix:/run/otel.sock'],
    },
  ],
  'records by a unix socket': [
    (text) => text,
    /^records-datagrams at ring otel$/,
    { add: ['--records', 'unix:/run/otel.sock'], args: ['--records', 'unix:/run/otel.sock'] },
  ],
  'a logger of the user leads to the agent': [
    (text) => text,
    /^records-twice at log 127.0.0.1:12346 local1$/,
    { site: SITE.replace('    maxconn 1000', '    log 127.0.0.1:12346 local1') },
  ],
  'attributes that are none': [
    (text) => text,
    /^attributes-form at global$/,
    { site: SITE.replace('maxconn 1000', "setenv OTEL_ATTRIBUTES 'a=b'") },
  ],
  'traceparent is set again': [
    rule('http-request set-header traceparent x'),
    /^header-overwritten at http-request set-header traceparent x$/,
  ],
  'traceparent is added': [
    rule('http-request add-header traceparent x'),
    /^header-added at http-request add-header traceparent x$/,
  ],
  'traceparent is removed': [
    rule('http-request del-header traceparent'),
    /^header-removed at http-request del-header traceparent$/,
  ],
  'all headers of a kind are removed': [
    rule('http-request del-header trace -m beg'),
    /^header-removed at http-request del-header trace -m beg$/,
  ],
  'a header of another format that is written is set again': [
    rule('http-request set-header X-B3-TraceId x'),
    /^header-overwritten at http-request set-header X-B3-TraceId x$/,
    { add: ['--propagators', 'b3multi'] },
  ],
  'traceparent is set at times': [
    rule('http-request set-header traceparent x if { path /a }'),
    /^header-conditional at http-request/,
  ],
  'a variable of the record is set': [
    rule('http-request set-var(txn.otel.hop) str(x)'),
    /^variable-overwritten at http-request/,
  ],
  'trust is set too late': [
    rule('http-request set-var(txn.otel.trust) str(ignore)'),
    /^trust-late at http-request/,
  ],
  'everybody is trusted at the edge': [
    (text) => text,
    /^trust-everybody at bind/,
    { site: SITE.replace('127.0.0.1:24990', ':24990'), add: ['--trust', 'continue'] },
  ],
  'networks that are not those of clients': [
    (text) => text,
    /^trust-hidden at http-request set-src/,
    {
      site: SITE.replace(
        'http-request set-header X-Shop yes',
        'http-request set-src req.hdr(x-ip)',
      ),
      add: ['--trust', '192.0.2.0/24'],
    },
  ],
  'a rule of defaults ends what decides': [
    (text) => text,
    /^rules-skipped at tcp-request content accept/,
    {
      site: SITE.replace(
        'defaults\n',
        'defaults web\n    tcp-request inspect-delay 1s\n    tcp-request content accept if HTTP\n',
      )
        .replace(
          /listen admin(.|\n)*?\n\n/,
          'frontend raw-in\n    bind 127.0.0.1:24991\n    mode tcp\n    default_backend raw\n\n',
        )
        .replace(
          '\nbackend app',
          '\ndefaults\n    mode tcp\n    timeout connect 2s\n    timeout client 5s\n    timeout server 5s\n\nbackend raw\n    server s 127.0.0.1:24992\n\nbackend app\n    mode http',
        ),
    },
  ],
  'a rule of defaults ends what sets headers': [
    (text) => text,
    /^headers-skipped at http-request allow/,
    {
      site: SITE.replace('defaults\n', 'defaults web\n    http-request allow if { path /a }\n')
        .replace(
          /listen admin(.|\n)*?\n\n/,
          'frontend raw-in\n    bind 127.0.0.1:24991\n    mode tcp\n    default_backend raw\n\n',
        )
        .replace(
          '\nbackend app',
          '\ndefaults\n    mode tcp\n    timeout connect 2s\n    timeout client 5s\n    timeout server 5s\n\nbackend raw\n    server s 127.0.0.1:24992\n\nbackend app\n    mode http',
        ),
    },
  ],
  'a rule of defaults answers before': [
    (text) => text,
    /^record-skipped at http-request deny/,
    {
      site: SITE.replace('defaults\n', 'defaults web\n    http-request deny if { path /a }\n')
        .replace(
          /listen admin(.|\n)*?\n\n/,
          'frontend raw-in\n    bind 127.0.0.1:24991\n    mode tcp\n    default_backend raw\n\n',
        )
        .replace(
          '\nbackend app',
          '\ndefaults\n    mode tcp\n    timeout connect 2s\n    timeout client 5s\n    timeout server 5s\n\nbackend raw\n    server s 127.0.0.1:24992\n\nbackend app\n    mode http',
        ),
    },
  ],
  'a target is rewritten, which nothing notes': [
    rule('http-request set-path /a'),
    /^lines-differ at /,
  ],
  'a request id is set, which nothing notes': [
    rule('http-request set-header X-Request-Id x'),
    /^lines-differ at /,
  ],
  'a frontend that is not meant': [
    (text) => text,
    /^frontend-untraced at listen admin/,
    { add: ['--frontend', 'shop'] },
  ],
  'hops that are not seen': [
    (text) => text,
    /^hop-unseen at listen admin/,
    { site: SITE.replace('listen admin\n', 'listen admin\n    option dontlog-normal\n') },
  ],
  'records of all hops in spite of --lines sampled': [
    (text) => text,
    /^records-unsampled at listen admin$/,
    {
      site: SITE.replace('listen admin\n', 'listen admin\n    option dontlog-normal\n'),
      add: ['--lines', 'sampled'],
    },
  ],
  'a file that is managed': [
    (text) => text,
    /^managed-elsewhere at # Managed by Puppet/,
    { site: `# Managed by Puppet\n${SITE}` },
  ],
  'a condition that only HAProxy knows': [
    (text) => `.if enabled_opt("x")\n.endif\n${text}`,
    /^condition-undecided at \.if/,
  ],
  'what HAProxy refuses': [rule('no-such-keyword'), /^haproxy-refuses at no-such-keyword$/],
};

describe('check reports', () => {
  test.each(Object.entries(CASES))('%s', (_name, [edit, expected, options]) => {
    const { found, report, status } = checked(edit, options);
    expect(found).toContainEqual(expect.stringMatching(expected));
    const isHint = report.findings.every(({ severity }) => severity === 'hint');
    expect(status).toBe(isHint ? 0 : 1);
    for (const { what, why } of report.findings) {
      expect(what).not.toBe('');
      expect(why).toMatch(/[.:]$/);
    }
  });
});

test.each(['is gone', 'is another'])('the remedy where the file of --engine %s', (what) => {
  const folder = mkdtempSync(join(root, 'engine-'));
  const engine = join(folder, 'own', 'otel.conf');
  mkdirSync(join(folder, 'own'));
  copyFileSync(SHIPPED_ENGINE, engine);
  writeFileSync(join(folder, 'haproxy.cfg'), SITE);
  const added = wiring(folder, 'add', ['haproxy.cfg'], ['--engine', engine, '--write']);
  expect(added).toMatchObject({ status: 0, err: '' });
  if (what === 'is gone') rmSync(join(folder, 'own'), { recursive: true });
  else writeFileSync(engine, readFileSync(engine, 'utf8').replace('50ms', '51ms'));
  const run = () => tool(folder, ['check', '--json', '--haproxy', HAPROXY, 'haproxy.cfg']);
  const { findings } = JSON.parse(run().out) as Report;
  const remedy = findings.find(({ code }) => code.startsWith('engine-file-'))?.lines ?? [];
  for (const line of remedy) execFileSync('sh', ['-c', line]);
  expect(run()).toMatchObject({ status: 0, out: expect.stringContaining('"findings": []') });
});

test('what HAProxy warns of without a line has none', () => {
  const folder = mkdtempSync(join(root, 'whole-'));
  writeFileSync(join(folder, 'haproxy.cfg'), SITE.replace(/^ *timeout client.*\n/m, ''));
  expect(wiring(folder, 'add')).toMatchObject({ status: 0, err: '' });
  const { out } = tool(folder, ['check', '--haproxy', HAPROXY, 'haproxy.cfg']);
  expect(out).toMatch(/^ {4}haproxy\.cfg: missing timeouts for /m);
});
