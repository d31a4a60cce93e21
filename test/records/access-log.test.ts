import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AccessLog, droppedByRing, isUnsampled } from '../../src/records/access-log.ts';
import type { HopRecord } from '../../src/records/record.ts';
import { hopOf, recordLine } from './lines.ts';

/** One for all lines: what it keeps of one must not show in another. */
const accessLog = new AccessLog();

function parse(line: string | Buffer): HopRecord | undefined {
  const bytes = Buffer.concat([Buffer.from('##'), Buffer.from(line), Buffer.from('##')]);
  return accessLog.parse(bytes, 2, bytes.length - 2);
}

function parsed(changes: Readonly<Record<string, unknown>> = {}): HopRecord {
  const record = parse(recordLine(hopOf(1), changes));
  if (record === undefined) throw new Error('unusable');
  return record;
}

test('a whole line', () => {
  expect(parsed({ tracestate: 'a=1', route: '/a', attributes: { x: 'y' } })).toEqual({
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
});

test.each([
  ['1 event dropped', 1],
  ['104 events dropped', 104],
  ['1 event dropped\0', 1],
  ['104 events dropped and more', 0],
  [recordLine(), 0],
  ['', 0],
])('"%s" tells of %i dropped records', (line, records) => {
  expect(droppedByRing(Buffer.from(line), 0, Buffer.byteLength(line))).toBe(records);
});

test('null is no value', () => {
  expect(parsed({ route: null, status: null, server: null })).toMatchObject({
    route: undefined,
    statusCode: undefined,
    server: undefined,
  });
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
    const failed = { connection_error: 'SSL handshake failure', ...times, received: 0 };
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
    const record = parsed({
      received: 0,
      answered: 0,
      wait: -1,
      accepted: 1_795_418_260_850,
      TR: -1,
    });
    expect(record.start).toBe(1_795_418_260_850_000);
    expect(record.phases).toMatchObject({ request: undefined, agent: undefined });
  });

  test.each([
    ['nothing where nobody else held the request up', {}, 300],
    ['nothing where it was not long', { answered: 1_795_418_260_810_400, wait: 2 }, 2_828],
    ['what others did, to the millisecond', { answered: 1_795_418_260_850_000, wait: 2 }, 2_000],
    ['all where the agent was not asked', { wait: -1 }, undefined],
    ['what came before rules that were not run', { answered: 0, wait: 3 }, 3_000],
  ])('of the wait for the agent is left out %s', (_what, changes, agent) => {
    expect(parsed(changes).phases.agent).toBe(agent);
  });

  test('an older line does not say how much of it was for the agent', () => {
    const { wait: _wait, ...fields } = JSON.parse(recordLine());
    const line = Buffer.from(JSON.stringify(fields));
    expect(new AccessLog().parse(line, 0, line.length)?.phases.agent).toBe(300);
  });

  test('a request id that no line tells is not made up', () => {
    expect(parsed({ request_id: '-' }).requestId).toBeUndefined();
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

  test('may be a bare dash or have a plus in front, which is not JSON', () => {
    const line = recordLine()
      .replace('"bytes_read":103', '"bytes_read":+103')
      .replace('"Tc":1', '"Tc":-');
    const record = parse(line);
    expect(record?.responseSize).toBe(103);
    expect(record?.phases.connect).toBeUndefined();
    expect(record?.path).toBe('/a');
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
  ['HTTP/1.0', 1, '1.0'],
  ['HTTP/1.1', 1, '1.1'],
  ['HTTP/1.1', 2, '2'],
  ['HTTP/1.1', 3, '3'],
])('protocol %s over major version %d is %s', (protocol, protocol_major, expected) => {
  expect(parsed({ protocol, protocol_major }).protocolVersion).toBe(expected);
});

test('a frontend with TLS', () => {
  expect(parsed({ frontend: 'www~' })).toMatchObject({ frontend: 'www', tls: true });
});

describe("the user's attributes", () => {
  const attributes = (json: string): unknown =>
    parse(recordLine().replace('"attributes":{}', `"attributes":${json}`))?.attributes;

  test.each([
    ['{"a":"x","b":1.5,"c":true,"d":["y","z"]}', { a: 'x', b: 1.5, c: true, d: ['y', 'z'] }],
    ['{"a":"-","b":-,"c":["-"],"d":1}', { d: 1 }],
    ['{"a":null,"b":{"c":1},"d":[1],"":"e","f":"g"}', { f: 'g' }],
    ['{"a":"\\"\\u00e9\\n"}', { a: '"\u00e9\n' }],
    ['{"a":1,}', { a: 1 }],
    ['[]', {}],
    ['"text"', {}],
  ])('%s', (json, expected) => expect(attributes(json)).toEqual(expected));
});

describe('any line is taken', () => {
  test.each([
    ['nothing', ''],
    ['text', 'Nov 23 12:00:00 lb haproxy[1]: Connect from 10.0.0.1 to 10.0.0.2'],
    [
      'a failed handshake',
      '192.0.2.1:5000 [23/Nov/2026:12:00:00.000] www/1: SSL handshake failure',
    ],
    ['another JSON value', '[1,2]'],
    ['an empty object', '{}'],
    ['JSON of another shape', '{"message":"hello"}'],
    ['a record without a frontend', '{"hop":"-","end":1795418260853713}'],
    ['a record without a time', '{"hop":"-","frontend":"www"}'],
  ])('%s is not a record', (_name, line) => expect(parse(line)).toBeUndefined());

  test('a line cut anywhere gives what was before the cut', () => {
    const line = recordLine(hopOf(1), { pathq: '/"\\\u00e9\u{1f600}/end' });
    const usable = line.indexOf('"accepted"');
    for (let end = 0; end < line.length; end += 1) {
      const bytes = Buffer.from(line).subarray(0, end);
      const record = parse(bytes);
      if (end < usable) continue;
      expect(record?.hop?.traceId).toBe(hopOf(1).slice(0, 32));
      expect('/"\\\u00e9\u{1f600}/end'.startsWith(record?.path ?? '')).toBe(true);
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
  });

  test('of equal names the first wins: what clients control comes last', () => {
    const line = recordLine().replace('"pathq":"/a"', '"pathq":"/a","hop":"x","frontend":"forged"');
    expect(parse(line)).toMatchObject({ frontend: 'www', hop: { traceFlags: 3 } });
  });
});

test('a field may be text in one line and a number in the next', () => {
  for (const line of [
    '{"status":200,',
    '{"status":"200",',
    '{"status": 200,',
    '{"status":"404",',
  ]) {
    const record = parse(`${line}"frontend":"www","end":1}`);
    expect(record).toMatchObject({ statusCode: Number(/\d+/.exec(line)), frontend: 'www' });
  }
});

test('lines of several formats take turns', () => {
  const [http, tcp] = [recordLine(), '{"kind":"tcp","frontend":"tcp","end":1}'];
  const kinds = [http, tcp, http, tcp].map((line) => [parse(line)?.kind, parse(line)?.frontend]);
  expect(kinds).toEqual([
    ['http', 'www'],
    ['tcp', 'tcp'],
    ['http', 'www'],
    ['tcp', 'tcp'],
  ]);
});

test('an unsampled hop is seen by the first bytes of its line', () => {
  const unsampled = (line: string): boolean => {
    const bytes = Buffer.from(`#${line}`);
    return isUnsampled(bytes, 1, bytes.length);
  };
  expect(['00', '02'].map((flags) => unsampled(recordLine(hopOf(1, flags))))).toEqual([true, true]);
  expect(['01', '03'].map((flags) => unsampled(recordLine(hopOf(1, flags))))).toEqual([
    false,
    false,
  ]);
  expect(['', '{"hop":"', '{"hop":"-"}', recordLine('-')].map(unsampled)).not.toContain(true);
});

test('a stopping process says so in its line', () => {
  const stopping = (line: string): boolean =>
    accessLog.isStopping(Buffer.from(line), 0, line.length);
  expect(stopping(recordLine(hopOf(1), { stopping: 1 }))).toBe(true);
  expect(stopping(recordLine())).toBe(false);
  expect(stopping('no record')).toBe(false);
});
