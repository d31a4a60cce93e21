import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { checkCommand } from '../../src/check/command.ts';
import { SEVERITIES } from '../../src/check/finding.ts';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { HAPROXY } from '../haproxy/chain.ts';
import { blockWith } from '../readme.ts';
import { asIs, both, CASES, type Edit, httpFormat } from './broken.ts';
import { example, replacing, runCheck, without } from './run-check.ts';

const root = mkdtempSync(join(tmpdir(), 'haproxy-otel-check-'));
afterAll(() => rmSync(root, { recursive: true }));
let folders = 0;
const newFolder = (): string => join(root, String(folders++));

test('nothing is wrong with the example', () => {
  const folder = newFolder();
  const { exitCode, report } = runCheck(folder, example(folder));
  expect(report.findings).toEqual([]);
  expect(report).toMatchObject({
    accepted: true,
    frontends: [
      { name: 'www', mode: 'http', traced: true },
      { name: 'tcp', mode: 'tcp', traced: true },
    ],
  });
  expect(exitCode).toBe(0);
});

test("the agent's settings are read from the file that is named", () => {
  const folder = newFolder();
  const files = example(folder, replacing('127.0.0.1:12345', '127.0.0.1:7345'));
  expect(runCheck(folder, files).report.findings).not.toEqual([]);
  const settings = join(folder, 'settings.env');
  writeFileSync(settings, 'HAPROXY_OTEL_SPOP=127.0.0.1:7345\n');
  const named = ['--haproxy', HAPROXY, '--config', settings];
  expect(runCheck(folder, files, { args: named }).report.findings).toEqual([]);
  const env = { HAPROXY_OTEL_CONFIG: settings };
  expect(runCheck(folder, files, { env }).report.findings).toEqual([]);
  let text = '';
  checkCommand(
    [...named.slice(2), '--haproxy-version', '3.0', join(folder, 'haproxy.cfg')],
    {},
    (part) => {
      text += part;
    },
  );
  expect(text).toContain(`\nsettings of the agent: ${settings}\n`);
});

test('nothing is wrong without logs, where the engine tells of hops', () => {
  const folder = newFolder();
  const finish = readFileSync(join(PACKAGE_ROOT, 'spoe/otel-finish.conf'), 'utf8');
  const config = both(
    without(/^ *(log ring|log 127|(error-)?log-format|option log-sep)|set-log-level/),
    (text) => text.replace(/\nfrontend tcp\n.*?(?=\nbackend tcp-app)/s, ''),
    replacing('global\n', 'global\n    tune.bufsize 32768\n'),
  );
  const { report } = runCheck(
    folder,
    example(folder, config, () => finish),
  );
  expect(report.findings).toEqual([]);
  expect(report.frontends).toMatchObject([{ name: 'www', traced: true }]);
});

test('nothing is wrong where what is not sampled has no line', () => {
  const folder = newFolder();
  const { report } = runCheck(
    folder,
    example(
      folder,
      replacing(
        /^ *log-format .*OTEL_RECORD/m,
        `${blockWith('haproxy', 'set-log-level silent if { var')}$&`,
      ),
    ),
  );
  expect(report.findings).toEqual([]);
});

test('engines of others are none of ours', () => {
  const folder = newFolder();
  const waf = `[waf]
spoe-agent waf
    messages check-request
    option var-prefix waf
    timeout hello 1s
    timeout idle 1m
    timeout processing 5s
    use-backend waf
spoe-message check-request
    args path=path
    event on-frontend-http-request
`;
  const files = example(
    folder,
    both(
      replacing(
        '    filter spoe',
        `    filter spoe engine waf config ${folder}/waf.conf\n    filter spoe`,
      ),
      (text) => `${text}\nbackend waf\n    mode tcp\n    server waf1 127.0.0.1:9000\n`,
    ),
  );
  const { report } = runCheck(folder, { ...files, 'waf.conf': waf });
  expect(report.findings).toEqual([]);
});

test('other loggers and a second agent are none of the first', () => {
  const folder = newFolder();
  const config = both(
    replacing(
      '    log ring@otel len 16300 local0 info\n',
      '    log 127.0.0.1:5140 len 4096 format raw local0 info\n    log ring@otel len 16300 local0 info\n',
    ),
    replacing(/( *server )agent( 127\.0\.0\.1:)12345(.*)/, '$1agent$212345$3\n$1agent2$212445$3'),
    replacing(
      '    http-request deny',
      '    http-request send-spoe-group waf all if { path /never }\n    http-request deny',
    ),
  );
  const { report } = runCheck(folder, example(folder, config), {
    args: ['--haproxy-version', '9.9'],
  });
  expect(report.findings).toEqual([]);
});

describe('broken in one way, one thing is found', () => {
  test.each(CASES.filter(([, , , found]) => found !== ''))('%s', (_what, config, engine, found) => {
    const folder = newFolder();
    const inPlace: Edit = (text) => config(text).replaceAll('FOLDER', folder);
    const run = runCheck(folder, example(folder, inPlace, engine));
    expect(run.found.map((each) => each.replaceAll(folder, 'FOLDER'))).toEqual(found.split('|'));
    for (const finding of run.report.findings) {
      expect(finding.severity).toBe(SEVERITIES[finding.code]);
      expect(finding.why).toMatch(/\.$/);
    }
    const hintsOnly = run.report.findings.every(({ severity }) => severity === 'hint');
    expect(run.exitCode).toBe(hintsOnly ? 0 : 1);
  });
});

describe('what depends on the version', () => {
  const find = (version: string, config: Edit, engine: Edit = asIs): readonly string[] => {
    const folder = newFolder();
    const files = example(folder, config, engine);
    return runCheck(folder, files, { args: ['--haproxy-version', version] }).found;
  };
  const octetCounted = replacing(
    /server agent 127\.0\.0\.1:12346\n/,
    'server agent 127.0.0.1:12346 log-proto octet-count\n',
  );
  const mode = (name: string): Edit =>
    replacing(
      /\.if version_atleast\(3\.1\)\s+mode spop\s+\.else\s+mode tcp\s+\.endif/,
      `mode ${name}`,
    );

  test.each(['2.6', '2.8', '3.0', '3.1', '3.2', '3.4'])('the example on %s', (version) => {
    expect(find(version, asIs)).toEqual([]);
  });

  test.each([
    [
      '2.8',
      octetCounted,
      ['ring-octet-count at server agent 127.0.0.1:12346 log-proto octet-count'],
    ],
    ['2.6', octetCounted, []],
    ['3.0', mode('spop'), ['agent-backend-mode at mode spop']],
    ['3.2', mode('spop'), []],
    ['3.2', mode('tcp'), ['agent-backend-converted at mode tcp']],
    ['2.4', asIs, ['haproxy-too-old at # A complete example. From the repository root:']],
  ] as const)('%s: %o', (version, config, found) => {
    expect(find(version, config)).toEqual(found);
  });

  test('what later versions ignore', () => {
    const edit = without(/timeout (hello|idle)|maxerrrate/);
    expect(find('3.0', asIs, edit)).toEqual([
      'engine-hello-timeout at spoe-agent otel',
      'engine-idle-timeout at spoe-agent otel',
      'engine-error-rate at spoe-agent otel',
    ]);
    expect(find('3.1', asIs, edit)).toEqual([]);
  });

  test("HAProxy's own JSON encoding", () => {
    const json = replacing(
      httpFormat,
      'log-format "%{+json}o %(frontend)ft %(hop)[var(txn.otel.hop)] %(end)[date(0,us)] %(stopping)[stopping]"',
    );
    expect(find('3.0', json)).toEqual([]);
    expect(find('2.8', json)).toEqual([expect.stringContaining('log-json at')]);
  });
});

describe("the agent's own settings", () => {
  const settings = (
    env: Readonly<Record<string, string>>,
    config: Edit = asIs,
  ): readonly string[] => {
    const folder = newFolder();
    return runCheck(folder, example(folder, config), { env }).report.findings.map(
      ({ code }) => code,
    );
  };

  test('are compared', () => {
    expect(settings({ HAPROXY_OTEL_SPOP: '127.0.0.1:9000' })).toEqual(['agent-port']);
    expect(settings({ HAPROXY_OTEL_RECORDS: '127.0.0.1:9001' })).toEqual([
      'ring-port',
      'log-port',
      'log-port',
    ]);
    expect(settings({ HAPROXY_OTEL_SPOP: '0.0.0.0:12345' })).toEqual([]);
    expect(settings({ HAPROXY_OTEL_SPOP: 'fd:3', HAPROXY_OTEL_RECORDS: 'fd:4' })).toEqual([]);
  });

  test('unix sockets, which take no datagrams', () => {
    const env = { HAPROXY_OTEL_SPOP: 'unix:/run/spop', HAPROXY_OTEL_RECORDS: 'unix:/run/records' };
    const edit = both(
      replacing('server agent 127.0.0.1:12345', 'server agent unix@/run/spop'),
      (text) => text.replaceAll('server agent 127.0.0.1:12346', 'server agent unix@/run/records'),
      without(/log 127|set-log-level|log-separate/),
    );
    expect(settings(env, edit)).toEqual([]);
    expect(settings({}, edit)).toContain('ring-port');
  });

  test('an agent on another host is not known here', () => {
    const edit: Edit = (text) => text.replaceAll('127.0.0.1:1234', '192.0.2.7:2234');
    expect(settings({}, edit)).toEqual([]);
  });
});

describe('the command', () => {
  test('says for people what is wrong and what to write', () => {
    const folder = newFolder();
    runCheck(folder, example(folder, without(/set-header traceparent/)));
    let text = '';
    const exitCode = checkCommand(
      ['--haproxy-version', '3.0', join(folder, 'haproxy.cfg')],
      {},
      (part) => {
        text += part;
      },
    );
    expect(exitCode).toBe(1);
    expect(text).toContain('error header-missing');
    expect(text).toContain('traceparent is not set.');
    expect(text).toContain(
      '        http-request set-header traceparent %[var(txn.otel.traceparent)]',
    );
    expect(text).toMatch(/^frontend www +http +traced, 1 error$/m);
    expect(text).toMatch(/^frontend tcp +tcp +traced$/m);
    expect(
      Math.max(
        ...text
          .split('\n')
          .filter((line) => !line.startsWith('        '))
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(100);
  });

  test.each([
    [['/nowhere/haproxy.cfg'], 'cannot read /nowhere/haproxy.cfg: no such file'],
    [['--bogus'], "Unknown option '--bogus'"],
    [
      ['--haproxy', '/nowhere/haproxy'],
      '--haproxy is "/nowhere/haproxy": a HAProxy that can be run is accepted',
    ],
    [
      ['--haproxy-version', 'new'],
      '--haproxy-version is "new": a version as 3.0 or 2.8.5 is accepted',
    ],
  ])('refuses %o', (args, message) => {
    expect(() => checkCommand(args, {}, () => {})).toThrow(message);
  });
});
