import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { findProgram } from '../../src/haproxy/program.ts';
import { newMessages, tryOut } from '../../src/haproxy/trial.ts';
import { UsageError } from '../../src/settings.ts';
import { engineText } from '../../src/wiring/engine-file.ts';
import { filesOf, wire } from '../../src/wiring/wire.ts';
import { HAPROXY } from '../end-to-end/chain.ts';
import { configurations } from './generated.ts';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-property-'));
afterAll(() => rmSync(folder, { recursive: true }));

const env = { PATH: process.env.PATH };
const program = findProgram(HAPROXY, env);
if (program === undefined) throw new Error(`${HAPROXY} cannot be run`);
const reading = { env, version: program.version, features: program.features };

type Texts = ReadonlyMap<string, string>;

function named(texts: readonly string[]): Texts {
  return new Map(texts.map((text, index) => [join(folder, `${index}.cfg`), text]));
}

/** @returns undefined where there is nothing to trace */
function add(texts: Texts, words: Readonly<Record<string, string>> = {}): Texts | undefined {
  try {
    return wire(filesOf(texts), words, {}, reading, folder).texts;
  } catch (error) {
    if (error instanceof UsageError) return undefined;
    throw error;
  }
}

const remove = (texts: Texts): Texts => filesOf(texts).clean;
const options = fc.constantFrom(
  {},
  { tcp: '' },
  { trust: 'restart' },
  { propagators: 'b3,xray' },
  { attributes: 'tls,rule,cache,rtt,grpc', states: '' },
  { 'through-reload': '' },
  { 'access-log': 'json', lines: 'sampled' },
);

test('remove undoes add, and add done twice is add done once', () => {
  fc.assert(
    fc.property(configurations, options, (texts, words) => {
      const before = named(texts);
      const once = add(before, words);
      fc.pre(once !== undefined);
      expect(remove(once)).toEqual(before);
      expect(add(once, words)).toEqual(once);
      // Options stay what they were, and change when others are passed.
      expect(add(once)).toEqual(once);
      expect(
        add(add(before, { tcp: '', trust: 'ignore' }) ?? before, { trust: 'restart' }),
      ).toEqual(add(before, { tcp: '', trust: 'restart' }));
    }),
    { numRuns: 700 },
  );
});

test('remove undoes add, whatever is written around it meanwhile', () => {
  const insertions = fc.array(
    fc.tuple(fc.nat(200), fc.constantFrom('# mine', '', '    maxconn 5')),
    { maxLength: 5 },
  );
  fc.assert(
    fc.property(configurations, insertions, (texts, added) => {
      const before = named(texts);
      const once = add(before);
      fc.pre(once !== undefined);
      const [file = '', text = ''] = [...once][0] ?? [];
      const lines = text.split('\n');
      const inOurs = (at: number): boolean => {
        const above = lines.slice(0, at);
        return (
          above.findLastIndex((line) => line.includes('# >>> otel')) >
          above.findLastIndex((line) => line.includes('# <<< otel'))
        );
      };
      let expected: string[] = [];
      const out = lines.flatMap((line, index) => {
        const here = inOurs(index)
          ? []
          : added.filter(([at]) => at % lines.length === index).map(([, each]) => each);
        return [...here, line];
      });
      expected =
        filesOf(new Map([[file, out.join('\n')]]))
          .clean.get(file)
          ?.split('\n') ?? [];
      const own = (before.get(file) ?? '').split('\n');
      const more = out.length - lines.length;
      expect(expected.length).toBe(own.length + more);
      // What stood there before stands there, in its order.
      let at = 0;
      for (const line of expected) if (line === own[at]) at += 1;
      expect(at).toBe(own.length);
    }),
    { numRuns: 500 },
  );
});

test('what HAProxy refuses on the first line of a frontend comes back as it was', () => {
  const before = named([
    'defaults\n  mode http\n  option httplog\n  log 127.0.0.1:5140 local0\nfrontend www 127.0.0.1:24999 ssl\n  default_backend app\nbackend app\n  server a 127.0.0.1:25000\n',
  ]);
  const once = add(before);
  if (once === undefined) throw new Error('there is a frontend to trace');
  expect([...once.values()].join()).toContain('frontend www from otel-rules 127.0.0.1:24999 ssl');
  expect(remove(once)).toEqual(before);
});

test('HAProxy accepts what add makes of whatever it accepted before, and warns of nothing new', () => {
  let accepted = 0;
  fc.assert(
    fc.property(configurations, options, (texts, words) => {
      const before = named(texts);
      const once = add(before, words);
      fc.pre(once !== undefined);
      for (const [file, text] of before) writeFileSync(file, text);
      const paths = [...before.keys()];
      const plain = tryOut({ paths, texts: before, engine: undefined }, program, env, folder);
      if (!plain.accepted) return;
      accepted += 1;
      const engine = { path: join(folder, 'haproxy-otel-spoa.conf'), text: engineText() };
      const wired = tryOut({ paths, texts: once, engine }, program, env, folder);
      expect(newMessages(plain.messages, wired.messages)).toEqual([]);
      expect(wired.accepted).toBe(true);
    }),
    { numRuns: Number(process.env.RUNS ?? 150) },
  );
  expect(accepted).toBeGreaterThan(10);
}, 300_000);
