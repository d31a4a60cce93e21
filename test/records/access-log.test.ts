import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AccessLog, droppedByRing, otherVersion } from '../../src/records/access-log.ts';
import { RecordHead } from '../../src/records/head.ts';
import type { HopRecord } from '../../src/records/record.ts';
import { type Changes, hopOf, recordLine, replyLine } from './lines.ts';

/** One for all lines: what it keeps of one must not show in another. */
const accessLog = new AccessLog();

function parse(line: string | Buffer): HopRecord | undefined {
  const bytes = Buffer.concat([Buffer.from('##'), Buffer.from(line), Buffer.from('##')]);
  return accessLog.parse(bytes, 2, bytes.length - 2);
}

/** What is behind the record, while it can be read. */
function messageOf(line: string): string | undefined {
  const bytes = parse(line)?.line;
  return bytes?.buffer.toString('utf8', bytes.start, bytes.end);
}

function parsed(changes: Changes = {}): HopRecord {
  const record = parse(recordLine(hopOf(1), changes));
  if (record === undefined) throw new Error('unusable');
  return record;
}

test('a whole line', () => {
  const { line, ...record } = parsed({ tracestate: 'a=1', route: '/a', own: { x: 'y' } });
  expect(record).toEqual({
    kind: 'http',
    hop: {
      traceId: hopOf(1).slice(0, 32),
      spanId: hopOf(1).slice(33, 49),
      traceFlags: 3,
      clientSpanId: hopOf(1).slice(53),
      parentId: undefined,
      mintedByHaproxy: false,
    },
    tracestate: 'a=1',
    start: 1_795_418_260_807_572,
    clientStart: 1_795_418_260_807_872,
    end: 1_795_418_260_853_713,
    phases: {
      handshake: 0,
      request: 0,
      agent: 300,
      queue: 0,
      connect: 1,
      response: 44,
      transfer: 0,
    },
    retries: { count: 0, redispatched: false },
    terminationState: '----',
    connectionError: undefined,
    method: 'GET',
    tls: false,
    host: 'shop.example',
    path: '/a',
    query: undefined,
    protocolVersion: '1.1',
    userAgent: 'tester/1.0',
    requestId: 'req-1',
    route: '/a',
    statusCode: 200,
    requestSize: 97,
    responseSize: 103,
    peer: { address: '192.0.2.7', port: 43_626 },
    local: { address: '198.51.100.1', port: 8080 },
    server: { name: 'app1', address: '10.0.0.9', port: 8090, tls: false },
    frontend: 'www',
    backend: 'app',
    attributes: { x: 'y' },
  });
  expect(line?.buffer.toString('utf8', line.start, line.end)).toBe('the line of the user');
});

test.each([
  ['1 event dropped', 1],
  ['104 events dropped', 104],
  ['1 event dropped\0', 1],
  ['<133>1 2026-11-23T12:00:00.000000+00:00 lb haproxy 1234 - - 104 events dropped\0', 104],
  [recordLine(hopOf(1), { message: '104 events dropped\0' }), 104],
  [recordLine(hopOf(1, '02'), { message: '1 event dropped\0' }), 1],
  [recordLine(hopOf(1), { message: '104 events dropped' }), 0],
  [recordLine(hopOf(1), { message: 'x 104 events dropped\0' }), 0],
  ['104 events dropped and more', 0],
  [recordLine(), 0],
  ['', 0],
])('"%s" tells of %i dropped records', (line, records) => {
  expect(droppedByRing(Buffer.from(line), 0, Buffer.byteLength(line))).toBe(records);
});

describe('times', () => {
  test('without a duration of the request, its start is what HAProxy says', () => {
    const start = 1_795_418_260_305_123;
    expect(parsed({ TR: null, start }).start).toBe(start);
  });

  test('headers that came at once: the request starts when they were complete', () => {
    expect(parsed({ accepted: 1_795_418_260_806, TR: 1, start: 1_795_418_260_806_500 }).start).toBe(
      1_795_418_260_807_572,
    );
  });

  test('headers that took a while: it starts by the timers, at the first byte', () => {
    const record = parsed({ accepted: 1_795_418_260_000, Th: 5, Ti: 300, TR: 502 });
    expect(record.start).toBe(1_795_418_260_305_000);
    expect(record.clientStart).toBe(1_795_418_260_807_872);
  });

  test('HAProxy 3.0 says when the first byte came', () => {
    const times = { accepted: 1_795_418_260_000, Ti: 300, TR: 502 };
    const start = 1_795_418_260_305_123;
    expect(parsed({ ...times, start }).start).toBe(start);
  });

  test('a connection starts when it is accepted, its handshake included', () => {
    const times = { accepted: 1_795_418_260_800, Th: 7, received: 1_795_418_260_807_572 };
    expect(parsed({ kind: 'tcp', ...times })).toMatchObject({
      kind: 'tcp',
      start: 1_795_418_260_800_572,
    });
    const failed = { error: 'SSL handshake failure', ...times, received: 0 };
    expect(parsed(failed)).toMatchObject({
      kind: 'connection_error',
      connectionError: 'SSL handshake failure',
      start: 1_795_418_260_800_000,
    });
  });

  test('the time in the queue is not spent with the server', () => {
    expect(parsed({ Tw: 20 }).clientStart).toBe(1_795_418_260_827_872);
  });

  test('a request that never reached the rules starts by the timers', () => {
    const record = parsed({ received: 0, answered: 0, accepted: 1_795_418_260_850, TR: -1 });
    expect(record.start).toBe(1_795_418_260_850_000);
    expect(record.phases).toMatchObject({ request: undefined, agent: undefined });
  });

  test('no time lies behind the end', () => {
    const record = parsed({ accepted: 1_795_418_260_999, received: 0, Tw: 99 });
    expect([record.start, record.clientStart]).toEqual([record.end, record.end]);
  });
});

describe('what HAProxy does not have', () => {
  test('is a dash, or below zero', () => {
    const record = parsed({
      status: -1,
      server: '<NOSRV>',
      server_address: '-',
      Tc: -1,
      pathq: '-',
      method: '<BADREQ>',
      protocol: '-',
    });
    expect(record).toMatchObject({
      statusCode: undefined,
      server: undefined,
      path: undefined,
      method: undefined,
      protocolVersion: undefined,
    });
    expect(record.phases.connect).toBeUndefined();
  });

  test('may be no byte at all', () => {
    const record = parse(recordLine(hopOf(1), { server_address: '', server_port: '', Tc: '' }));
    expect(record).toMatchObject({
      server: { name: 'app1', address: undefined, port: undefined },
      method: 'GET',
    });
    expect(record?.phases.connect).toBeUndefined();
  });

  test('a hop that is none starts its own trace', () => {
    expect(parse(recordLine('-'))?.hop).toBeUndefined();
    expect(parse(recordLine('nonsense'))?.hop).toBeUndefined();
  });
});

test.each([
  ['0', { count: 0, redispatched: false }],
  ['2', { count: 2, redispatched: false }],
  ['+2', { count: 2, redispatched: true }],
])('retries %s', (retries, expected) => expect(parsed({ retries }).retries).toEqual(expected));

test.each([
  ['1.0', '1.0'],
  ['1.1', '1.1'],
  ['2.0', '2'],
  ['3.0', '3'],
  ['-', undefined],
])('protocol %s is %s', (protocol, expected) => {
  expect(parsed({ protocol }).protocolVersion).toBe(expected);
});

test('a frontend with TLS', () => {
  expect(parsed({ frontend: 'www~' })).toMatchObject({ frontend: 'www', tls: true });
});

describe("the user's attributes", () => {
  test.each([
    [
      { a: 'x', b: '-1.5', c: '4' },
      { a: 'x', b: '-1.5', c: '4' },
    ],
    [
      { 'a:int': '4', 'b:int': '-1', 'c:double': '4', 'd:bool': '1', 'e:bool': 'false' },
      { a: 4, b: -1, c: 4, d: true, e: false },
    ],
    [{ 'a:int': '1.5', 'b:double': 'x', 'c:bool': 'yes', 'd:list': 'x', e: 'y' }, { e: 'y' }],
    [
      { 'http.request.header.accept': 'x', 'http.response.header.age': '1' },
      { 'http.request.header.accept': ['x'], 'http.response.header.age': ['1'] },
    ],
    [{ a: '-', b: '', 'c:int': '-', d: '"]\\' }, { d: '"]\\' }],
    [{ a: '\u00e9\n' }, { a: '\u00e9\n' }],
  ])('%j', (own, expected) => expect(parsed({ own }).attributes).toEqual(expected));

  test('the first of equal names is the one, also of one with another type', () => {
    const line = recordLine().replace(/] the line/, ' a="1" a="2" a:int="3"] the line');
    expect(parse(line)?.attributes).toEqual({ a: '1' });
  });

  test('baggage and a route may stand among them', () => {
    const line = recordLine(hopOf(1), { route: undefined }).replace(
      /] the line/,
      ' a="1" baggage="b=2" route="/a/:id"] the line',
    );
    expect(parse(line)).toMatchObject({ attributes: { a: '1' }, baggage: 'b=2', route: '/a/:id' });
  });
});

describe('a line of another kind is no record', () => {
  const head = '<134>1 2026-11-23T12:00:00.000000+00:00 lb haproxy 1 - ';
  test.each([
    ['nothing', ''],
    ['text', 'Nov 23 12:00:00 lb haproxy[1]: Connect from 10.0.0.1 to 10.0.0.2'],
    ['no structured data', `${head}- 192.0.2.1:5000 [23/Nov/2026:12:00:00.000] www app/s1 0/0`],
    ["structured data of the user's", `${head}[req@48577 method="GET"] text`],
    ['a record without a frontend', `${head}[otel@0 http="2 0 0 - 200 ---- 0"] text`],
    [
      'a record behind structured data',
      `${head}[req@48577 a="b"] ${recordLine().replace(/^.*?\[/, '[')}`,
    ],
    ['a record in a message', `${head}- ${recordLine()}`],
    ['a record without a time', recordLine().replace(/ 2026\S+/, ' -')],
    ['a time that is none', recordLine().replace(/ 2026-11-23/, ' 2026-99-99')],
  ])('%s', (_name, line) => expect(parse(line)).toBeUndefined());

  test.each([
    [1, '{"hop":"-","trace_id":"-","frontend":"www"}'],
    [1, '{"kind":"tcp","stopping":0}'],
    [1, `${head}- {"hop":"-","trace_id":"-"}`],
    [3, recordLine().replace('="2 ', '="3 ')],
    [3, replyLine(hopOf(1)).replace('="2 ', '="3 ')],
    [undefined, recordLine()],
    [undefined, replyLine(hopOf(1))],
    [undefined, `${head}- 192.0.2.1 {"hop"`],
    [undefined, 'Connect from 10.0.0.1'],
  ])('of version %s: %s', (version, line) => {
    expect(otherVersion(Buffer.from(line), 0, Buffer.byteLength(line))).toBe(version);
    if (version !== undefined) expect(parse(line)).toBeUndefined();
  });
});

test('the line of a connection that failed before a request', () => {
  const line =
    '<134>1 2026-11-23T00:00:00.004250+01:00 lb haproxy 1 - - ' +
    '2001:db8::7:5000 [22/Nov/2026:23:59:59.990] www/v4: SSL handshake failure';
  expect(parse(line)).toMatchObject({
    kind: 'connection_error',
    connectionError: 'SSL handshake failure',
    frontend: 'www',
    peer: { address: '2001:db8::7', port: 5000 },
    start: Date.parse('2026-11-22T22:59:59.990Z') * 1000,
    end: Date.parse('2026-11-22T23:00:00.004Z') * 1000 + 250,
  });
});

test('a line that was written when the headers of the reply went out', () => {
  const changes = { termination_state: undefined, Td: undefined, bytes_read: undefined };
  const record = parse(replyLine(hopOf(1), { ...changes, host: 'm\u00fcnchen' }));
  expect(record).toMatchObject({
    hop: { traceFlags: 3 },
    statusCode: 200,
    terminationState: undefined,
    responseSize: undefined,
    end: 1_795_418_260_853_713,
    host: 'm..nchen',
    line: undefined,
  });
  expect(record?.phases.transfer).toBeUndefined();
});

describe('what clients send', () => {
  const forged = `"] x\n${recordLine(hopOf(9), { frontend: 'forged' })}\n`;
  const fields = ['host', 'user_agent', 'pathq', 'request_id', 'tracestate', 'method'] as const;

  test.each(fields)('a whole record in %s is text', (name) => {
    const line = recordLine(hopOf(1), { [name]: `a\\${forged}`, own: { own: forged } });
    const record = parse(line);
    expect(record).toMatchObject({ frontend: 'www', hop: { traceId: hopOf(1).slice(0, 32) } });
    expect(record?.attributes).toEqual({ own: forged });
    expect(messageOf(line)).toBe('the line of the user');
  });

  test('any bytes in any of them come back, and change nothing else', () => {
    const bytes = fc.string({
      unit: fc.oneof(
        fc.constantFrom('"', ']', '\\', '=', ' ', '\n', '\0', '-', 'attr="'),
        fc.string({ minLength: 1, maxLength: 1, unit: 'grapheme' }),
      ),
      maxLength: 40,
    });
    const values = fc.record({ host: bytes, user_agent: bytes, pathq: bytes, request_id: bytes });
    fc.assert(
      fc.property(values, bytes, (texts, own) => {
        const record = parse(recordLine(hopOf(1), { ...texts, own: { own } }));
        const seen = (text: string): string | undefined =>
          text === '' || text === '-' ? undefined : text;
        expect(record?.host).toBe(seen(texts.host));
        expect(record?.userAgent).toBe(seen(texts.user_agent));
        const { path = '', query } = record ?? {};
        expect(seen(query === undefined ? path : `${path}?${query}`)).toBe(seen(texts.pathq));
        expect(record?.requestId).toBe(seen(texts.request_id) ?? hopOf(1).slice(0, 49));
        expect(record?.attributes.own).toBe(seen(own));
        expect(record).toMatchObject({ frontend: 'www', statusCode: 200, route: undefined });
      }),
      { seed: 7, numRuns: 2000 },
    );
  });
});

describe('a line that is cut', () => {
  test('anywhere gives what was before the cut', () => {
    const pathq = '/"\\\u00e9\u{1f600}]/end';
    const line = Buffer.from(recordLine(hopOf(1), { pathq }));
    const usable = line.indexOf('www app') + 'www '.length;
    for (let end = 0; end < line.length; end += 1) {
      const record = accessLog.parse(line, 0, end);
      if (end < usable) {
        expect(record).toBeUndefined();
        continue;
      }
      expect(record).toMatchObject({ hop: { traceId: hopOf(1).slice(0, 32) }, statusCode: 200 });
      expect([undefined, 97]).toContain(record?.requestSize);
      expect([undefined, 8090]).toContain(record?.server?.port);
      expect(pathq.startsWith(record?.path ?? '')).toBe(true);
    }
  });

  test('noise does not throw', () => {
    const line = Buffer.from(recordLine());
    const changes = fc.array(fc.tuple(fc.nat({ max: line.length - 1 }), fc.nat({ max: 255 })), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(changes, fc.nat({ max: line.length }), (bytes, cut) => {
        const noisy = Buffer.from(line);
        for (const [place, byte] of bytes) noisy[place] = byte;
        parse(noisy.subarray(0, cut));
      }),
      { seed: 9, numRuns: 5000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        parse(Buffer.concat([Buffer.from(recordLine().slice(0, 80)), bytes]));
      }),
      { seed: 9, numRuns: 2000 },
    );
  });
});

test('lines of several kinds and processes take turns', () => {
  const lines = [
    recordLine(),
    recordLine('-', { kind: 'tcp', frontend: 'tcp' }),
    recordLine(hopOf(2), { frontend: 'other' }).replace('lb haproxy 1234', '- my tag 1'),
    replyLine(hopOf(3), { frontend: 'reply' }),
  ];
  const seen = [...lines, ...lines].map((line) => [parse(line)?.kind, parse(line)?.frontend]);
  const kinds = [
    ['http', 'www'],
    ['tcp', 'tcp'],
    ['http', 'other'],
    ['http', 'reply'],
  ];
  expect(seen).toEqual([...kinds, ...kinds]);
});

test('an unsampled hop is seen by the first bytes of its line', () => {
  const head = new RecordHead();
  const unsampled = (line: string): boolean => {
    const bytes = Buffer.from(`#${line}`);
    return head.isUnsampled(bytes, 1, bytes.length);
  };
  const byMint = (line: string): boolean =>
    head.isMintedByAgent(Buffer.from(line), 0, Buffer.byteLength(line));
  for (const write of [recordLine, replyLine]) {
    expect(['00', '02'].map((flags) => unsampled(write(hopOf(1, flags))))).toEqual([true, true]);
    expect(['01', '03'].map((flags) => unsampled(write(hopOf(1, flags))))).toEqual([false, false]);
    expect(unsampled(write('-'))).toBe(false);
    expect(byMint(write(hopOf(1, '02')))).toBe(true);
    expect(byMint(write(`${hopOf(1, '02')}-h`))).toBe(false);
  }
  // It was counted when its reply's headers went out.
  expect(unsampled(recordLine(hopOf(1, '02'), { reported: 1 }))).toBe(false);
  const cut = recordLine(hopOf(1, '02'));
  for (let end = 0; end < cut.indexOf('-02-') + 4; end += 1) {
    expect(unsampled(cut.slice(0, end))).toBe(false);
  }
});

test('a stopping process says so in its line', () => {
  const stopping = (line: string): boolean =>
    accessLog.isStopping(Buffer.from(line), 0, line.length);
  expect(stopping(recordLine(hopOf(1), { stopping: 1 }))).toBe(true);
  expect(stopping(recordLine())).toBe(false);
  expect(stopping('no record')).toBe(false);
});
