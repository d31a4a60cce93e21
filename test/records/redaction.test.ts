import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import {
  type QueryRule,
  redactLine,
  redactQuery,
  setQueryRule,
} from '../../src/records/redaction.ts';

afterEach(() => setQueryRule({ kind: 'all' }));

const ALL: QueryRule = { kind: 'all' };
const NONE: QueryRule = { kind: 'none' };
const REDACT: QueryRule = { kind: 'redact', names: ['token', 'user[password]'] };
const KEEP: QueryRule = { kind: 'keep', names: ['page', 'sort', 'sig'] };

describe('a query', () => {
  const cases: readonly [QueryRule, string, string | undefined][] = [
    [ALL, 'a=1&sig=x&token=y', 'a=1&sig=REDACTED&token=y'],
    [ALL, '', undefined],
    [NONE, 'a=1', undefined],
    [REDACT, 'a=1&token=x&sig=y', 'a=1&token=REDACTED&sig=REDACTED'],
    [REDACT, 'TOKEN=x&to%6ben=y&t=z', 'TOKEN=REDACTED&to%6ben=REDACTED&t=z'],
    [
      REDACT,
      'user[password]=x&user%5Bpassword%5D=y',
      'user[password]=REDACTED&user%5Bpassword%5D=REDACTED',
    ],
    [REDACT, 'token=a=b;c=d&e=f', 'token=REDACTED&e=f'],
    [REDACT, 'a=1;token=x;b&c', 'a=1;token=REDACTED&c'],
    [REDACT, 'token&mytoken=1&%zz=2', 'token&mytoken=1&%zz=2'],
    [KEEP, 'page=2&sort=a&q=x', 'page=2&sort=a&q=REDACTED'],
    [KEEP, 'page=2;q=x&secret&Page=3', 'page=2;q=REDACTED&REDACTED&Page=REDACTED'],
    // Secrets that everybody knows stay so.
    [KEEP, 'sig=x', 'sig=REDACTED'],
  ];
  test.each(cases)('%j: %s', (rule, query, shown) => {
    setQueryRule(rule);
    expect(redactQuery(query)).toBe(shown);
  });
});

describe('a log line', () => {
  const target = '/a?token=s3cret&page=2';
  const query = 'token=s3cret&page=2';
  const LINES: readonly [string, string][] = [
    ['httplog', `10.0.0.1:1 [x] www app/s1 0/0/1 200 "GET ${target} HTTP/1.1"`],
    ['a Referer that was captured', `www {shop.example|https://x.example/y?token=s3cret} "GET /b"`],
    ['a query alone', `path=/a query=${query} status=200`],
    ['a query in quotes', `"/a" "${query}" 200`],
    ['JSON', JSON.stringify({ path: '/a', query, status: 200 })],
    ['with a pipe', `{${query}|agent}`],
  ];
  test.each(LINES)('%s: the secret is redacted, however it may be written', (_, line) => {
    for (const rule of [REDACT, KEEP, NONE]) {
      setQueryRule(rule);
      const shown = redactLine(line, query);
      expect(shown).not.toContain('s3cret');
      // The rest is as it was.
      expect(shown.startsWith(line.slice(0, line.search(/token|\?/)))).toBe(true);
    }
  });

  test('is as it was but for that', () => {
    const line = `10.0.0.1:1 [x] www app/s1 0/0/1 200 "GET ${target} HTTP/1.1" a=1`;
    setQueryRule(REDACT);
    expect(redactLine(line, query)).toBe(line.replace('s3cret', 'REDACTED'));
    setQueryRule(KEEP);
    expect(redactLine(line, query)).toBe(line.replace('s3cret', 'REDACTED'));
    setQueryRule(NONE);
    expect(redactLine(line, query)).toBe(line.replace(`?${query}`, ''));
    setQueryRule(ALL);
    expect(redactLine(line, query)).toBe(line);
    expect(redactLine('"GET /a?sig=x&b=1"', 'sig=x&b=1')).toBe('"GET /a?sig=REDACTED&b=1"');
  });

  test('a query that is short is not found in other numbers', () => {
    setQueryRule(KEEP);
    expect(redactLine('10.1.1.1:4711 11 "GET /poll?1 HTTP/1.1" 111', '1')).toBe(
      '10.1.1.1:4711 11 "GET /poll?REDACTED HTTP/1.1" 111',
    );
  });

  test('no secret is left of any query in any line', () => {
    const word = fc.stringMatching(/^[a-z0-9;=%.|{}[\]-]{1,12}$/);
    const parameter = fc.oneof(
      word,
      fc.tuple(word, word).map(([name, value]) => `${name}=${value}`),
    );
    const secret = fc.stringMatching(/^[A-Z]{12}[;=?.|{}[\]A-Z]{0,6}$/);
    fc.assert(
      fc.property(
        fc.array(parameter, { maxLength: 4 }),
        fc.array(parameter, { maxLength: 4 }),
        secret,
        fc.constantFrom(REDACT, KEEP, NONE),
        fc.constantFrom('"GET /x?@ HTTP/1.1"', 'a [@] b', '{"q":"@"}', 'GET /x?@', 'q=@ 200'),
        (before, after, value, rule, form) => {
          setQueryRule(rule);
          const query = [...before, `token=${value}`, ...after].join('&');
          const head = value.slice(0, 12);
          expect(redactQuery(query) ?? '').not.toContain(head);
          expect(
            redactLine(
              form.replace('@', () => query),
              query,
            ),
          ).not.toContain(head);
        },
      ),
      { seed: 13, numRuns: 2_000 },
    );
  });

  test.each([
    ['one word', 'a'.repeat(16_000)],
    ['equals', '='.repeat(16_000)],
    ['questions', '?'.repeat(16_000)],
    ['backslashes', `?${'\\'.repeat(16_000)}`],
    ['secrets', '?token='.repeat(2_000)],
    ['brackets', `?${'['.repeat(16_000)}=`],
  ])('of %s lasts no longer than its length allows', (_, text) => {
    for (const rule of [ALL, REDACT, KEEP, NONE]) {
      setQueryRule(rule);
      // Of the processor: a machine that is busy with others makes it no longer.
      const before = process.cpuUsage();
      for (let i = 0; i < 10; i += 1) redactLine(`"GET /${text}"`, text.replace(/^\?/, ''));
      const { user, system } = process.cpuUsage(before);
      expect(user + system).toBeLessThan(1_000_000);
    }
  });
});
