import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isMintedByAgent, mayHaveFailed, RecordHead } from '../../src/records/head.ts';
import { Double, type HopRecord } from '../../src/records/record.ts';
import { droppedByRing, otherVersion, RecordParser } from '../../src/records/record-parser.ts';
import { type Changes, hopOf, recordLine, replyLine } from './lines.ts';

/** One for all lines: state of one must not show in another. */
const parser = new RecordParser();

function parse(line: string | Buffer): HopRecord | undefined {
  const bytes = Buffer.concat([Buffer.from('##'), Buffer.from(line), Buffer.from('##')]);
  return parser.parse(bytes, 2, bytes.length - 2);
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
  const { line, ...record } = parsed({
    tracestate: 'a=1',
    route: '/a',
    server_status: 200,
    own: { x: 'y' },
  });
  expect(record).toEqual({
    kind: 'http',
    hop: {
      traceId: hopOf(1).slice(0, 32),
      spanId: hopOf(1).slice(33, 49),
      traceFlags: 3,
      clientSpanId: hopOf(1).slice(53),
      parentId: undefined,
      mintedByHaproxy: false,
      decidedByHaproxy: false,
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
      retry: undefined,
      connect: 1,
      response: 44,
      transfer: 0,
    },
    retries: { count: 0, redispatched: false },
    terminationState: '----',
    connectionError: undefined,
    method: 'GET',
    tls: false,
    scheme: 'http',
    host: 'shop.example',
    path: '/a',
    query: undefined,
    sent: { scheme: undefined, authority: undefined, path: '/a', query: undefined },
    protocolVersion: '1.1',
    userAgent: 'tester/1.0',
    requestId: 'req-1',
    route: '/a',
    statusCode: 200,
    serverStatusCode: 200,
    requestSize: 97,
    responseSize: 103,
    client: { address: '192.0.2.7', port: 43_626 },
    peer: { address: '192.0.2.7', port: 43_626, unix: false },
    local: { address: '198.51.100.1', port: 8080, unix: false },
    server: { name: 'app1', address: '10.0.0.9', port: 8090, unix: false, tls: false },
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
])('"%s" reports %i dropped records', (line, records) => {
  expect(droppedByRing(Buffer.from(line), 0, Buffer.byteLength(line))).toBe(records);
});

describe('times', () => {
  test('without a duration of the request, its start is that of HAProxy', () => {
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

  test('HAProxy 3.0 has the time of the first byte', () => {
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

  test('nothing starts before the epoch, whatever timers a record has', () => {
    const times = { received: 1_795_418_260_807_572, Th: 1_795_418_260_852_950 };
    expect(parsed({ kind: 'tcp', ...times }).start).toBe(0);
  });

  test('the time in the queue is not spent with the server', () => {
    expect(parsed({ Tw: 20 }).clientStart).toBe(1_795_418_260_827_872);
  });

  describe('after retries HAProxy has the tries that failed in other timers', () => {
    const ms = (record: HopRecord, time: number): number =>
      Math.round((time - record.start) / 1000);

    test.each([
      ['another server', { retries: '+1', Tw: 702, Tc: 1 }, { queue: 0, retry: 702, connect: 1 }],
      [
        'the same, chosen again',
        { retries: '2', Tw: 1401, Tc: 0 },
        { queue: 0, retry: 1401, connect: 0 },
      ],
      ['the same', { retries: '1', Tw: 0, Tc: 703 }, { queue: 0, retry: 703, connect: undefined }],
      ['in vain', { retries: '2', Tw: 602, Tc: -1 }, { queue: 0, retry: 905, connect: undefined }],
      [
        'in vain, on the same',
        { retries: '2', Tw: 0, Tc: -1 },
        { queue: 0, retry: 905, connect: undefined },
      ],
      ['none', { retries: '0', Tw: 20, Tc: 1 }, { queue: 20, retry: undefined, connect: 1 }],
    ])('%s', (_name, fields, expected) => {
      const record = parsed({ ...fields, end: 1_795_418_261_712_872 });
      expect(record.phases).toMatchObject(expected);
      expect(ms(record, record.clientStart)).toBe(expected.retry === undefined ? 20 : 0);
    });

    test('the time in a queue is unknown, unless the tries are in another timer', () => {
      const queued = { server_queue: 3, retries: '1' };
      const mixed = parsed({ ...queued, Tw: 702, Tc: 1, end: 1_795_418_261_712_872 });
      expect(mixed.phases).toMatchObject({ queue: undefined, retry: 702, connect: 1 });
      expect(ms(mixed, mixed.clientStart)).toBe(0);
      const apart = parsed({ ...queued, Tw: 20, Tc: 703, end: 1_795_418_261_712_872 });
      expect(apart.phases).toMatchObject({ queue: 20, retry: 703, connect: undefined });
      expect(ms(apart, apart.clientStart)).toBe(20);
    });

    test('of a connection', () => {
      const fields = { kind: 'tcp', retries: '+1', Tw: 703, Tc: 0 };
      expect(parsed(fields).phases).toMatchObject({ queue: 0, retry: 703, connect: 0 });
    });
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

  test('where nobody else can hold it up all of it is for the agent', () => {
    expect(parsed().phases.agent).toBe(300);
  });

  test('a request id is that of the trace, unless another is noted, or none', () => {
    expect(parsed({ request_id: undefined }).requestId).toBe(hopOf(1).slice(0, 49));
    expect(parsed({ request_id: '' }).requestId).toBeUndefined();
    expect(parsed({ request_id: undefined, protocol: undefined }).requestId).toBeUndefined();
    const line = recordLine(hopOf(1), { request_id: '' }).replace(
      ' route=',
      ' request_id="b" sent="/b" request_id="c" sent="/c" server_status="201" server_status="500" route=',
    );
    expect(parse(line)).toMatchObject({
      requestId: 'c',
      sent: { path: '/c' },
      serverStatusCode: 201,
    });
  });

  test('no time lies behind the end', () => {
    const record = parsed({ accepted: 1_795_418_260_999, received: 0, Tw: 99 });
    expect([record.start, record.clientStart]).toEqual([record.end, record.end]);
  });
});

describe('peers', () => {
  const unixSocket = { client_address: 'unix', client_port: '3', frontend_address: 'unix' };
  const nameless = { address: undefined, port: undefined };

  test('a unix socket has no address, and what is beside it is no port', () => {
    const record = parsed({
      ...unixSocket,
      peer_address: '-',
      peer_port: '-',
      server_address: 'unix',
      server_port: '0',
    });
    expect(record.client).toEqual(nameless);
    expect(record.peer).toEqual({ ...nameless, unix: true });
    expect(record.server).toMatchObject({ ...nameless, name: 'app1', unix: true });
  });

  test('a client whom a rule named comes over a unix socket all the same', () => {
    const fields = { ...unixSocket, client_address: '203.0.113.9', client_port: '0' };
    const record = parsed({ ...fields, peer_address: 'unix', peer_port: '' });
    expect(record.client).toEqual({ address: '203.0.113.9', port: undefined });
    expect(record.peer).toEqual({ ...nameless, unix: true });
  });

  test('a client whom a rule named has not the port of the socket', () => {
    const socket = { peer_address: '192.0.2.7', peer_port: 43_626 };
    const record = parsed({ ...socket, client_address: '203.0.113.9' });
    expect(record.client).toEqual({ address: '203.0.113.9', port: undefined });
    expect(record.peer).toEqual({ address: '192.0.2.7', port: 43_626, unix: false });
    expect(parsed({ ...socket, client_address: '203.0.113.9', client_port: '9' }).client.port).toBe(
      9,
    );
  });

  test.each([
    ['CB007109', '203.0.113.9'],
    ['00000000000000000000FFFFC0000207', '192.0.2.7'],
    ['20010DB8000000000000000000000001', '2001:db8::1'],
    ['00000000000000000000000000000001', '::1'],
  ])('bytes of an address are one: %s', (client_address, address) => {
    const { client, server } = parsed({ client_address, server_address: client_address });
    expect(client).toEqual({ address, port: 43_626 });
    expect(server).toMatchObject({ address, port: 8090, unix: false });
  });

  test('who has a port and no address is on a unix socket', () => {
    const none = { client_address: '-', client_port: '3', server_address: '-', server_port: '0' };
    const record = parsed({ ...none, frontend_address: '-', frontend_port: '-' });
    expect(record.peer).toEqual({ ...nameless, unix: true });
    expect(record.server).toMatchObject({ ...nameless, name: 'app1', unix: true });
  });

  test('IPv4 in an IPv6 socket is IPv4, IPv6 stays as it is', () => {
    const mapped = { client_address: '::ffff:192.0.2.7', peer_address: '::ffff:192.0.2.7' };
    expect(parsed(mapped)).toMatchObject({
      client: { address: '192.0.2.7', port: 43_626 },
      peer: { address: '192.0.2.7' },
    });
    expect(parsed({ peer_address: '2001:db8::1' }).peer.address).toBe('2001:db8::1');
  });
});

describe('request targets', () => {
  const partsOf = (target: string, method: string): unknown => {
    const { scheme, host, path, query } = parsed({ target, method });
    return [scheme, host, path, query];
  };

  test.each([
    ['/a?b=1', 'GET', ['http', 'shop.example', '/a', 'b=1']],
    ['*', 'OPTIONS', ['http', 'shop.example', '', undefined]],
    ['db.example:5432', 'CONNECT', ['http', 'db.example:5432', '', undefined]],
    ['http://shop.example', 'GET', ['http', 'shop.example', '', undefined]],
    ['https://shop.example/a', 'GET', ['https', 'shop.example', '/a', undefined]],
    ['HTTP://shop.example?b', 'GET', ['http', 'shop.example', '', 'b']],
    ['?b', 'GET', ['http', 'shop.example', '', 'b']],
  ])('%s', (target, method, expected) => expect(partsOf(target, method)).toEqual(expected));

  test('what the server was sent is known apart, or not', () => {
    expect(parsed({ sent: '/b?c' }).sent).toMatchObject({ path: '/b', query: 'c' });
    expect(parsed({ sent: '-' }).sent).toBeUndefined();
    expect(parsed({ target: '/a?b' }).sent).toMatchObject({ path: '/a', query: 'b' });
    expect(parsed({ protocol: undefined }).sent).toBeUndefined();
  });
});

describe('the size of a response', () => {
  test.each([
    ['as HAProxy counted it', {}, 103],
    ['compressed', { compressed: '1' }, undefined],
    ['of HAProxy itself', { server: '<NOSRV>', termination_state: 'PR--', Tr: -1 }, 103],
    ["in place of the server's", { termination_state: 'PH--', Tr: -1 }, undefined],
    ['from 3.3 on', { bytes_read: '-', bytes_sent: '55' }, 55],
    ['from 3.3 on, of HAProxy itself', { bytes_read: '-', bytes_sent: '55', Tr: -1 }, undefined],
    [
      'from 3.3 on, in its place',
      { bytes_read: '-', bytes_sent: '55', termination_state: 'PH--' },
      undefined,
    ],
    [
      'from 3.3 on, of a connection',
      { kind: 'tcp', bytes_read: '-', bytes_sent: '55', Tr: -1 },
      55,
    ],
  ])('%s', (_name, fields, expected) => expect(parsed(fields).responseSize).toBe(expected));
});

test('a frontend that chose no backend is none, a listen section is its own', () => {
  const none = { server: '<NOSRV>', Tw: -1, backend: 'www' };
  expect(parsed(none).backend).toBeUndefined();
  expect(parsed({ ...none, frontend: 'www~' }).backend).toBeUndefined();
  expect(parsed({ ...none, backend: 'app' }).backend).toBe('app');
  expect(parsed({ backend: 'www' }).backend).toBe('www');
});

describe('what HAProxy does not have', () => {
  test('is a dash, or below zero', () => {
    const record = parsed({
      status: -1,
      server: '<NOSRV>',
      server_address: '-',
      Tc: -1,
      target: '-',
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
      { a: 4, b: -1, c: new Double(4), d: true, e: false },
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
  const fields = ['host', 'user_agent', 'target', 'request_id', 'tracestate', 'method'] as const;

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
    const values = fc.record({ host: bytes, user_agent: bytes, target: bytes, request_id: bytes });
    fc.assert(
      fc.property(values, bytes, (texts, own) => {
        const record = parse(recordLine(hopOf(1), { ...texts, own: { own } }));
        const seen = (text: string): string | undefined =>
          text === '' || text === '-' ? undefined : text;
        expect(record?.host).toBe(seen(texts.host));
        expect(record?.userAgent).toBe(seen(texts.user_agent));
        const { path = '', query } = record ?? {};
        expect(seen(query === undefined ? path : `${path}?${query}`)).toBe(seen(texts.target));
        expect(record?.requestId).toBe(seen(texts.request_id));
        expect(record?.attributes.own).toBe(seen(own));
        expect(record).toMatchObject({ frontend: 'www', statusCode: 200, route: undefined });
      }),
      { seed: 7, numRuns: 2000 },
    );
  });
});

describe('a line that is cut', () => {
  test('anywhere returns what was before the cut', () => {
    const target = '/"\\\u00e9\u{1f600}]/end';
    const line = Buffer.from(recordLine(hopOf(1), { target }));
    const usable = line.indexOf('www app') + 'www '.length;
    for (let end = 0; end < line.length; end += 1) {
      const record = parser.parse(line, 0, end);
      if (end < usable) {
        expect(record).toBeUndefined();
        continue;
      }
      expect(record).toMatchObject({ hop: { traceId: hopOf(1).slice(0, 32) }, statusCode: 200 });
      expect([undefined, 97]).toContain(record?.requestSize);
      expect([undefined, 8090]).toContain(record?.server?.port);
      expect(target.startsWith(record?.path ?? '')).toBe(true);
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

test('lines of several kinds and processes alternate', () => {
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

describe('an unsampled hop, by the first bytes of its line', () => {
  const head = new RecordHead();
  const hopIn = (line: string): number => {
    const bytes = Buffer.from(`#${line}`);
    return head.unsampledHop(bytes, 1, bytes.length) - 1;
  };
  const byAgent = (line: string): boolean => isMintedByAgent(Buffer.from(line), hopIn(line));
  const failed = (line: string, end = line.length): boolean =>
    mayHaveFailed(Buffer.from(line), hopIn(line), end);

  test.each([
    ['at the end', recordLine],
    ['when the reply goes out', replyLine],
  ])('%s', (_name, write) => {
    for (const flags of ['00', '02']) {
      const line = write(hopOf(1, flags));
      expect(hopIn(line)).toBe(line.indexOf(hopOf(1, flags)));
    }
    expect(['01', '03'].map((flags) => hopIn(write(hopOf(1, flags))))).toEqual([-2, -2]);
    expect(hopIn(write('-'))).toBe(-2);
    expect(byAgent(write(hopOf(1, '02')))).toBe(true);
    expect(byAgent(write(`${hopOf(1, '02')}-h`))).toBe(false);
    expect(byAgent(write(`${hopOf(1, '02')}-r`))).toBe(false);
  });

  test('is none where it was counted when the headers of its reply went out, or the line is cut', () => {
    expect(hopIn(recordLine(hopOf(1, '02'), { reported: 1 }))).toBe(-2);
    const cut = recordLine(hopOf(1, '02'));
    for (let end = 0; end < cut.indexOf('-02-') + 4; end += 1) {
      expect(hopIn(cut.slice(0, end))).toBe(-2);
    }
  });

  test.each([
    ['normal', {}, false],
    ['with a 404', { status: 404 }, false],
    ['with no status', { status: -1 }, false],
    ['with a 500', { status: 500 }, true],
    ['with an end that HAProxy names', { termination_state: 'SD--' }, true],
    ['with a client that left', { status: -1, termination_state: 'CD--' }, true],
    ['without an end', { termination_state: '-' }, false],
  ])('%s', (_name, changes, expected) => {
    for (const mark of ['', '-r', `-${'b'.repeat(16)}-h`]) {
      expect(failed(recordLine(`${hopOf(1, '02')}${mark}`, changes))).toBe(expected);
    }
  });

  test('may have failed where the line ends too early to know', () => {
    const line = recordLine(hopOf(1, '02'));
    const behind = line.indexOf(hopOf(1, '02')) + hopOf(1, '02').length;
    const known = ' 200 -'.length;
    for (let end = behind; end < behind + known; end += 1) expect(failed(line, end)).toBe(true);
    expect(failed(line, behind + known)).toBe(false);
  });
});

test('a stopping process has it in its line', () => {
  const stopping = (line: string): boolean => parser.isStopping(Buffer.from(line), 0, line.length);
  expect(stopping(recordLine(hopOf(1), { stopping: 1 }))).toBe(true);
  expect(stopping(recordLine())).toBe(false);
  expect(stopping('no record')).toBe(false);
});
