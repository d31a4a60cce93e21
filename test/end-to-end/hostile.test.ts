import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OtlpSpanKind, type ReceivedSpan } from '../../src/demo/otlp-receiver.ts';
import { until } from '../agent-process.ts';
import { Chain } from './chain.ts';

let chain: Chain;
beforeAll(async () => {
  chain = await Chain.start();
});
afterAll(() => chain.stop());

let last = 0;

/** Sends bytes as they are, one request to a connection; resolves with its SERVER span. */
async function attack(path: string, headers: Record<string, string> = {}): Promise<ReceivedSpan> {
  last += 1;
  const mark = `attack-${last}`;
  const lines = [`GET ${path} HTTP/1.1`, 'Host: victim.example', `X-Request-Id: ${mark}`];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  await raw(`${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`);
  return until(`the span of ${mark}`, () =>
    chain.haproxySpans().find(({ kind, attributes }) => {
      const [requestId] = (attributes['http.request.header.x-request-id'] ?? []) as string[];
      return kind === OtlpSpanKind.SERVER && requestId === mark;
    }),
  );
}

function raw(bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(chain.ports.http, '127.0.0.1', () => socket.write(bytes, 'latin1'));
    socket.setEncoding('latin1').on('data', (text: string) => {
      answer += text;
    });
    socket.once('error', () => resolve(answer));
    socket.once('close', () => resolve(answer));
  });
}

/** Fields of the record that an attacker would like to set. */
const FORGED = '"] x" a="b" route="/forged" http="2 0 0 x 200 ---- 0 - - - - - - - - - - - forged';

describe('a path', () => {
  test.each([
    ['quotes', '/a"b"c'],
    ['backslashes', '/a\\b\\\\"c\\'],
    ['a field to forge', `/${FORGED.replaceAll(' ', '')}`],
    ['the end of the record and another', '/"]\\n<134>1[otel@0'],
    ['an octet count and a record', '/"]5%20<1>1'],
    ['percent-encoded control characters', '/%00%0a%0d%22'],
  ])('with %s comes through as it was', async (_name, path) => {
    const span = await attack(path);
    expect(span.attributes['url.path']).toBe(path);
    expect(span.attributes['haproxy.frontend.name']).toBe('www');
    expect(span.attributes.a).toBeUndefined();
  });

  test('of 8 KB comes through whole', async () => {
    const path = `/${'x'.repeat(8000)}`;
    const span = await attack(path);
    expect(span.attributes['url.path']).toBe(path);
    expect(span.attributes['network.protocol.version']).toBe('1.1');
  });

  test.each([
    ['quotes', '"'],
    ['backslashes', '\\'],
  ])(
    'of 8 KB of %s, twice as long in the record, is cut and the hop exported',
    async (_name, one) => {
      const path = `/${one.repeat(8000)}`;
      const span = await attack(path);
      const kept = String(span.attributes['url.path']);
      expect(path.startsWith(kept)).toBe(true);
      expect(kept.length).toBeGreaterThan(7000);
      expect(span.attributes).toMatchObject({
        'haproxy.frontend.name': 'www',
        'network.protocol.version': '1.1',
      });
    },
  );

  test.each([
    ['quotes', '"'],
    ['backslashes', '\\'],
  ])('of 8,300 %s and a field to forge is cut', async (_name, one) => {
    const span = await attack(`/${one.repeat(8_300)}${FORGED.replaceAll(' ', '')}`);
    expect(`/${one.repeat(8_300)}`.startsWith(String(span.attributes['url.path']))).toBe(true);
    expect(span.attributes.a).toBeUndefined();
    expect(span.attributes['haproxy.frontend.name']).toBe('www');
  });

  test('with secrets in its query, quoted', async () => {
    const span = await attack('/?a="&Signature=s3cr3t"&b=\\');
    expect(span.attributes['url.query']).toBe('a="&Signature=REDACTED&b=\\');
  });
});

describe('a header value', () => {
  test.each([
    ['quotes and backslashes', 'q"\\"\\\\'],
    ['a field to forge', FORGED],
    ['UTF-8', 'h\u00c3\u00a9llo'],
    ['a tab', 'a\tb'],
  ])('with %s comes through', async (_name, value) => {
    const span = await attack('/', { 'User-Agent': value });
    const expected = Buffer.from(value, 'latin1').toString('utf8');
    expect(span.attributes['user_agent.original']).toBe(expected);
    expect(span.attributes['haproxy.frontend.name']).toBe('www');
  });

  test.each([
    ['invalid UTF-8', 'a\xff\xfe\x80b'],
    ['an overlong slash', 'a\xc0\xafb'],
    ['half a character', 'a\xc3'],
    ['control characters', 'a\x01\x02\x1f\x7fb'],
    ['a second line', 'a\r\n <134>1 2026-11-23T12:00:00.000000+00:00 - - 1 - [otel@0 http="2 '],
  ])('with %s cannot break the record', async (_name, value) => {
    const span = await attack('/ok', { 'User-Agent': value, 'Accept-Language': value });
    expect(span.attributes['url.path']).toBe('/ok');
    expect(span.attributes['haproxy.frontend.name']).toBe('www');
  });

  test('of 8,300 quotes and a field to forge is cut', async () => {
    const span = await attack('/ok', { 'User-Agent': `${'"'.repeat(8_300)}${FORGED}` });
    expect(span.attributes['user_agent.original']).toBe('"'.repeat(1024));
    expect(span.attributes.a).toBeUndefined();
    expect(span.attributes['url.path']).toBe('/ok');
  });

  test('in traceparent, tracestate and host', async () => {
    const span = await attack('/ok', {
      traceparent: FORGED,
      tracestate: FORGED,
      'X-Forwarded-For': FORGED,
    });
    expect(span.parentSpanId).toBe('');
    expect(span.attributes['haproxy.frontend.name']).toBe('www');
  });

  test('a tracestate with quotes and backslashes is valid and survives the record', async () => {
    const tracestate = 'a=q"\\,b=\\"';
    const span = await attack('/ok', {
      traceparent: '00-11111111111111111111111111111111-2222222222222222-01',
      tracestate,
    });
    expect(span.traceState).toBe(tracestate);
  });
});

describe('what is no request', () => {
  test.each([
    ['a bad request line', 'NONSENSE\r\n\r\n', 400],
    ['a bad header', 'GET / HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n', 400],
    ['a null byte', 'GET /\0 HTTP/1.1\r\n\r\n', 400],
    ['a quote in the method', 'GE"T / HTTP/1.1\r\nHost: x\r\n\r\n', 400],
  ])('%s still is a hop that starts its own trace', async (_name, bytes, status) => {
    const known = new Set(chain.haproxySpans().map(({ spanId }) => spanId));
    expect(await raw(bytes)).toContain(` ${status} `);
    const span = await until('the span', () =>
      chain
        .haproxySpans()
        .find(({ spanId, kind }) => kind === OtlpSpanKind.SERVER && !known.has(spanId)),
    );
    expect(span.parentSpanId).toBe('');
    expect(span.attributes).toMatchObject({
      'http.request.method': '_OTHER',
      'http.response.status_code': status,
      'haproxy.termination_state': expect.stringMatching(/^[CP]R/),
    });
  });
});

test('no line was unusable, none was read as two', async () => {
  const agent = chain.agent;
  await chain.haproxy.stop();
  await agent.end();
  const stopped = agent.logged('stopped') as { records: Record<string, number> };
  expect(stopped.records.unusable).toBe(0);
  expect(stopped.records.sampled).toBe(
    chain.haproxySpans().filter(({ kind }) => kind === OtlpSpanKind.SERVER).length,
  );
});
