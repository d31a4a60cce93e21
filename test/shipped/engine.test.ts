import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { SHIPPED_ENGINE } from '../../src/haproxy/shipped.ts';
import { parseVersion } from '../../src/haproxy/version.ts';
import { readFiles, wire } from '../../src/wiring/wire.ts';
import { CASES, render } from '../wiring/corpus.ts';
import { EXAMPLE } from './example.ts';

const root = mkdtempSync(join(tmpdir(), 'haproxy-otel-engine-'));
afterAll(() => rmSync(root, { recursive: true }));

const ENGINE = readFileSync(SHIPPED_ENGINE, 'utf8');

/** Variables that the engine sets: those of the agent's answer, and how long it took. */
const ANSWERED = [...ENGINE.matchAll(/^ *(?:register-var-names|option set-process-time) (.*)$/gm)]
  .flatMap(([, names = '']) => names.split(' '))
  .sort();

test('the engine sets what the agent answers', () => {
  expect(ANSWERED).toEqual(['hop', 'traceparent', 'tracestate', 'wait']);
});

describe('each variable that the lines of add read is set by them, by the engine, or is yours', () => {
  const YOURS = ['route', 'ratio', 'accept_language', 'baggage', 'request_id'];
  const namesIn = (text: string, pattern: RegExp): string[] => [
    ...new Set([...text.matchAll(pattern)].map(([, name = '']) => name)),
  ];

  function expectSet(text: string): void {
    const read = namesIn(text, /[^-]var\(txn\.otel\.(\w+)/g);
    const set = new Set(namesIn(text, /set-var(?:-fmt)?\(txn\.otel\.(\w+)/g));
    expect(read.length).toBeGreaterThan(5);
    // Asked for also where nothing is silenced.
    const known = [...ANSWERED, ...YOURS, 'silent'];
    expect(read.filter((name) => !set.has(name) && !known.includes(name))).toEqual([]);
    // The engine sets nothing that the lines have no use for.
    if (!text.includes('setenv OTEL_WAIT')) expect(read).not.toContain('wait');
  }

  test('in the example', () => expectSet(EXAMPLE));

  test.each(CASES)('in %s', async (name) => {
    const folder = join(root, name);
    const { paths } = await render(name, folder);
    const files = readFiles(paths.map((path) => join(folder, path)));
    const reading = { env: {}, version: parseVersion('3.0'), features: new Set<string>() };
    const { texts } = wire(files, { tcp: '' }, {}, reading, folder);
    expectSet([...texts.values()].join('\n'));
  });
});

test('each message and each argument of the engine is one that the agent reads', () => {
  const folder = join(PACKAGE_ROOT, 'src/context');
  const source = readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n');
  const messages = ENGINE.split(/^spoe-message /m).slice(1);
  expect(messages).toHaveLength(6);
  const messageNames = messages.map((message) => message.split('\n', 1)[0] ?? '');
  const args = messages.flatMap((message) => [...message.matchAll(/^ +args (.*)$/gm)]);
  expect(args).toHaveLength(7);
  const names = [
    ...messageNames,
    ...args.flatMap(([, line = '']) =>
      [...line.matchAll(/(?:^| )"?([\w-]+)=/g)].map(([, name = '']) => name),
    ),
  ];
  expect(names.filter((name) => !source.includes(`'${name}'`))).toEqual([]);
  const asked = new Set(
    [...ENGINE.matchAll(/^ *messages (.*)$/gm)].flatMap(([, list = '']) => list.split(' ')),
  );
  expect([...asked].sort()).toEqual(messageNames.sort());
});

/** Bytes of the smallest frame: HAProxy's default `tune.bufsize`, of which it keeps four. */
const SMALLEST_FRAME = 16_380;
/** What a value has beside its bytes: its own name, type and length, at most. */
const BESIDE = 24;

test('a NOTIFY is at most three quarters of the smallest frame, whatever headers a client sends', () => {
  const branches = ENGINE.replaceAll(
    /^ *\.if defined\(OTEL_RATIO\)\n([\s\S]*?)^ *\.else\n[\s\S]*?^ *\.endif\n/gm,
    '$1',
  );
  const args = [...branches.matchAll(/^ +args (.*)$/gm)].flatMap(([, line = '']) =>
    [...line.matchAll(/([\w-]+)=(\S+)/g)].map(([, , sample = '']) => sample),
  );
  expect(args.length).toBeGreaterThan(25);
  const sizes = args.map((sample) => {
    if (/_cnt\(/.test(sample)) return 8;
    const bytes = /,bytes\(0,(\d+)\)"?$/.exec(sample)?.[1];
    if (bytes !== undefined) return Number(bytes);
    // Of HAProxy's own, which no client chooses: a method that is longer is refused.
    expect(sample).toMatch(/^(var\(txn\.otel\.\w+|method$)/);
    return 64;
  });
  const total = sizes.reduce((sum, size) => sum + size + BESIDE, 0);
  expect(total).toBeLessThan((SMALLEST_FRAME * 3) / 4);
});
