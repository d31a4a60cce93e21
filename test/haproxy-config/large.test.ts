import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { snippetCommand } from '../../src/snippet/command.ts';
import { HAPROXY } from '../haproxy/chain.ts';
import { type CheckRun, runCheck } from './run-check.ts';

const SOURCE = join(import.meta.dirname, 'large');
const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-large-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** What `snippet` prints for one part, without the lines that say where it belongs. */
function snippet(part: string, args: readonly string[]): string {
  let text = '';
  snippetCommand(['--haproxy', HAPROXY, '--parts', part, ...args], {}, (written) => {
    text += written;
  });
  return part === 'frontend' ? text.split('\n').slice(2).join('\n') : text;
}

/** A site's configuration with the lines of `snippet` where `# @…@` says. */
function files(): Record<string, string> {
  return Object.fromEntries(
    readdirSync(SOURCE).map((name) => [
      name,
      readFileSync(join(SOURCE, name), 'utf8').replace(/^ *# @(.*)@$/gm, (_line, text: string) => {
        const [part = '', name = 'any', ...args] = text.split(' ');
        return snippet(part, ['--frontend', name, ...args]);
      }),
    ]),
  );
}

function run(options: Parameters<typeof runCheck>[2] = {}): CheckRun {
  return runCheck(folder, files(), { paths: ['.'], ...options });
}

const FOUND = [
  'trust-late at http-request set-var(txn.otel.trust) str(ignore)',
  'header-withheld at http-request del-header traceparent',
  `log-format-mode at log-format "{$${'{OTEL_RECORD}}"'}`,
];

test('a site with many frontends, of which some are traced and some of these wired wrongly', () => {
  const { found, report, exitCode } = run();
  // HAProxy itself has an opinion on the order of some of these rules.
  const own = found.filter((each) => !each.startsWith('haproxy-warns'));
  expect(own).toEqual(FOUND);
  expect(report.findings.map(({ section }) => section)).toEqual(
    expect.arrayContaining(['frontend partners', 'frontend payments', 'listen mqtt']),
  );
  expect(report.frontends.map(({ name, mode, traced }) => `${name} ${mode} ${traced}`)).toEqual([
    'stats http false',
    'acme http false',
    'www http true',
    'internal http true',
    'partners http true',
    'payments http true',
    'ssh tcp false',
    'redis tcp false',
    'postgres tcp true',
    'mqtt tcp true',
  ]);
  expect(report.files.map((file) => file.slice(folder.length + 1))).toEqual([
    '00-global.cfg',
    '05-otel.cfg',
    '10-defaults.cfg',
    '20-web.cfg',
    '30-backends.cfg',
    '40-tcp.cfg',
  ]);
  expect(exitCode).toBe(1);
});

test('the same site, mended', () => {
  const mended = Object.fromEntries(
    Object.entries(files()).map(([name, text]) => [
      name,
      text
        .replace(/ *http-request set-var\(txn\.otel\.trust\).*\n/, '')
        .replace(/ *http-request del-header traceparent\n/, '')
        .replace(/(listen mqtt.*?log-format )[^\n]*/s, '$1"{$${OTEL_TCP_RECORD}}"'),
    ]),
  );
  const { report, exitCode } = runCheck(join(folder, 'mended'), mended, { paths: ['.'] });
  expect(report.findings).toEqual([]);
  expect(report.accepted).toBe(true);
  expect(exitCode).toBe(0);
});

test('lines under a condition count where it holds', () => {
  const { found } = run({ env: { CANARY: 'yes' } });
  expect(found.filter((each) => !each.startsWith('haproxy-warns'))).toEqual(FOUND);
});

test('files in another order: variables are not there yet', () => {
  const { report } = run({
    paths: ['05-otel.cfg', '10-defaults.cfg', '20-web.cfg', '30-backends.cfg', '00-global.cfg'],
  });
  const unset = report.findings.filter(({ code }) => code === 'log-format-unset');
  expect(unset.map(({ section }) => section)).toEqual([
    'frontend www',
    'frontend internal',
    'frontend partners',
    'frontend payments',
  ]);
  expect(unset[0]?.lines).toEqual([expect.stringMatching(/^setenv OTEL_RECORD /)]);
});
