import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  httpRules,
  noteRule,
  quoted,
  replyRecord,
  replyRules,
  ruleLine,
  STOPPING_MESSAGE,
  structuredData,
  TCP_RULES,
} from '../../src/records/format.ts';
import { KINDS, type Kind, TABLE } from '../../src/records/table.ts';

const EXAMPLE = readFileSync(join(import.meta.dirname, '../../haproxy/haproxy.cfg'), 'utf8');

/** What a record is made of: its places, and the names of its parameters. */
function partsOf(record: string): { places: string[]; parameters: string[] } {
  const [, places = ''] = /^\[otel@0 (?:http|tcp)="2 ([^"]*)"/.exec(record) ?? [];
  const parameters = [...record.matchAll(/ (\w+)="/g)].map(([, name = '']) => name);
  return { places: places.split(' '), parameters: parameters.slice(1) };
}

describe('the example has what the table has', () => {
  test.each(KINDS)('records of %s', (kind: Kind) => {
    const name = `OTEL_RECORD_${kind.toUpperCase()}`;
    expect(EXAMPLE).toMatch(new RegExp(`setenv ${name} +"`));
    expect(EXAMPLE).toContain(quoted(structuredData(kind, 'format')));
    for (const stopping of [false, true]) {
      const message = stopping ? ` format ${quoted(STOPPING_MESSAGE)}` : '';
      for (const error of [false, true]) {
        const data = quoted(structuredData(kind, 'profile', { stopping, error }));
        expect(EXAMPLE).toContain(`on ${error ? 'error' : 'any'}${message} sd ${data}\n`);
      }
    }
  });

  test('rules', () => {
    for (const rule of [...httpRules(), ...TCP_RULES]) {
      expect(EXAMPLE).toContain(`    ${ruleLine(rule)}\n`);
    }
  });
});

test('every kind and way has the same places, and they differ by what is in them', () => {
  const count = TABLE.filter(({ in: where }) => where === 'place').length;
  const records = [
    ...KINDS.flatMap((kind) => [
      structuredData(kind, 'format'),
      structuredData(kind, 'profile'),
      structuredData(kind, 'profile', { error: true }),
      structuredData(kind, 'profile', { reply: true, stopping: true }),
    ]),
    replyRecord(),
  ];
  for (const record of records) expect(partsOf(record).places).toHaveLength(count);
  expect(partsOf(structuredData('http', 'format')).parameters).toEqual([
    'route',
    'tracestate',
    'target',
  ]);
});

test('what a client controls is escaped', () => {
  const lines = [
    structuredData('http', 'format'),
    ...[...httpRules(), noteRule('http-request', 'sent')].map(({ action }) => action),
  ];
  const values = lines.flatMap((line) => [...line.matchAll(/=\\?"(%[^"\\]*)\\?"/g)]);
  expect(values.length).toBeGreaterThan(6);
  for (const [, value] of values) expect(value).toMatch(/^%\{\+E\}\[/);
});

test("names of variables are within HAProxy's bounds", () => {
  const text = [structuredData('http', 'format', { reply: true }), ...replyRules('otel')]
    .map((each) => (typeof each === 'string' ? each : ruleLine(each)))
    .concat(httpRules().map(ruleLine))
    .join('\n');
  const names = [...text.matchAll(/txn\.otel\.\w+/g)].map(([name]) => name);
  expect(names.length).toBeGreaterThan(10);
  for (const name of names) expect(name.length).toBeLessThan(48);
});

test('quoted: as HAProxy reads it, with the environment inside', () => {
  expect(quoted('a="b\\" $C')).toBe('"a=\\"b\\\\\\" $C"');
});
