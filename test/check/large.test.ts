import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { HAPROXY, VERSION } from '../end-to-end/chain.ts';
import { textsIn } from '../wiring/corpus.ts';
import { tool, wiring } from '../wiring/run.ts';

const HAS_LOG_PROFILES = !/version (2|3\.0)\./.test(VERSION);
const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-large-'));

beforeAll(() => {
  cpSync(join(import.meta.dirname, 'large'), folder, { recursive: true });
  return () => rmSync(folder, { recursive: true });
});

/** What `check` finds beside what is not seen, and HAProxy's own warnings about the order of some rules. */
function found(env: Readonly<Record<string, string>> = {}): string[] {
  const { out } = tool(folder, ['check', '--json', '--haproxy', HAPROXY, '.'], env);
  const { findings } = JSON.parse(out) as { findings: { code: string; section: string }[] };
  return findings
    .filter(({ code }) => code !== 'haproxy-warns' && code !== 'hop-unseen')
    .map(({ code, section }) => `${code} in ${section}`);
}

test('a site of many frontends in many files is traced, checked, and as it was', () => {
  const before = textsIn(folder);
  const added = wiring(folder, 'add', ['.'], ['--tcp', '--write']);
  expect(added).toMatchObject({ status: 0, err: '' });
  for (const name of ['stats', 'acme', 'www', 'internal', 'partners', 'payments', 'ssh']) {
    expect(added.out).toMatch(new RegExp(`^frontend ${name}: traced`, 'm'));
  }
  for (const name of ['redis', 'postgres', 'mqtt']) {
    const seen = HAS_LOG_PROFILES ? '$' : '; not seen: any connection before HAProxy 3.1';
    expect(added.out).toMatch(new RegExp(`^listen ${name}: traced${seen}`, 'm'));
  }
  expect(added.out).toContain('not seen: the end of the body of normal requests');
  const expected = [
    'managed-elsewhere in ',
    'trust-late in frontend partners',
    'header-removed in frontend payments',
  ];
  expect(found()).toEqual(expected);
  // Lines under a condition of the user's count where it holds: nothing of ours stands under it.
  expect(found({ CANARY: 'yes' })).toEqual(expected);
  expect(wiring(folder, 'remove', ['.'])).toMatchObject({ status: 0, err: '' });
  expect(textsIn(folder)).toEqual(before);
});
