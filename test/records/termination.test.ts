import { expect, test } from 'vitest';
import { RecordParser } from '../../src/records/record-parser.ts';
import { type Outcome, outcomeOf } from '../../src/records/termination.ts';
import { hopOf, recordLine } from './lines.ts';

/** One for all lines: state of one must not show in another. */
const parser = new RecordParser();

/** The outcome of a hop that ended in this state, otherwise a request like any other. */
function outcome(state: string, changes: Readonly<Record<string, unknown>> = {}): Outcome {
  const line = Buffer.from(recordLine(hopOf(1), { termination_state: state, ...changes }));
  const record = parser.parse(line, 0, line.length);
  if (record === undefined) throw new Error('unusable');
  return outcomeOf(record);
}

const NO_SERVER = { server: '<NOSRV>', Tw: -1, Tc: -1, Tr: -1 };

// The first letter of the state, with each second letter that changes what it means.
test.each([
  ['----', 'none', undefined],
  ['--', 'none', undefined],
  ['', 'none', undefined],
  ['LR--', 'none', undefined],
  ['CC--', 'client', 'client_abort'],
  ['CH--', 'client', 'client_abort'],
  ['CD--', 'client', 'client_abort'],
  ['CL--', 'client', 'client_abort'],
  ['cH--', 'client', 'client_timeout'],
  ['cD--', 'client', 'client_timeout'],
  ['cL--', 'client', 'client_timeout'],
  ['SC--', 'server', 'connect_error'],
  ['SH--', 'server', 'server_abort'],
  ['SD--', 'server', 'server_abort'],
  ['SL--', 'server', 'server_abort'],
  ['sC--', 'server', 'connect_timeout'],
  ['sH--', 'server', 'server_timeout'],
  ['sD--', 'server', 'server_timeout'],
  ['sL--', 'server', 'server_timeout'],
  ['PC--', 'proxy', 'resource_exhausted'],
  ['PD--', 'server', 'invalid_response'],
  ['PL--', 'server', 'invalid_response'],
  ['RC--', 'proxy', 'resource_exhausted'],
  ['RH--', 'proxy', 'resource_exhausted'],
  ['IC--', 'proxy', 'internal_error'],
  ['IH--', 'proxy', 'internal_error'],
  ['ID--', 'proxy', 'internal_error'],
  ['DC--', 'server', 'server_down'],
  ['DH--', 'server', 'server_down'],
  ['DD--', 'server', 'server_down'],
  ['UH--', 'proxy', 'killed'],
  ['UD--', 'proxy', 'killed'],
  ['KH--', 'proxy', 'killed'],
  ['KD--', 'proxy', 'killed'],
])('%s with a server: fault of %s, cause %s', (state, fault, cause) => {
  expect(outcome(state)).toMatchObject({ fault, cause, triedServer: true });
});

test.each([
  ['PR--', 403, 'none', undefined],
  ['PR--', 503, 'proxy', undefined],
  ['PT--', 500, 'proxy', undefined],
  ['PT--', 429, 'none', undefined],
  ['LR--', 302, 'none', undefined],
  ['LR--', 503, 'proxy', undefined],
  ['SC--', 503, 'server', 'no_server'],
  ['sQ--', 503, 'server', 'queue_timeout'],
  ['CQ--', -1, 'client', 'client_abort'],
  ['CR--', 400, 'client', 'client_abort'],
  ['cR--', 408, 'client', 'client_timeout'],
  ['cT--', -1, 'client', 'client_timeout'],
  ['CT--', -1, 'client', 'client_abort'],
  ['RR--', 500, 'proxy', 'resource_exhausted'],
  ['RQ--', 503, 'proxy', 'resource_exhausted'],
  ['IR--', 500, 'proxy', 'internal_error'],
  ['KQ--', 503, 'proxy', 'killed'],
])('%s without a server and status %i: fault of %s, cause %s', (state, status, fault, cause) => {
  const expected = { fault, cause, triedServer: false, serverAnswered: false };
  expect(outcome(state, { ...NO_SERVER, status })).toEqual(expected);
});

test('a response that a rule denies is not invalid', () => {
  expect(outcome('PH--', { status: 403 })).toMatchObject({ fault: 'none', cause: undefined });
  const invalid = { fault: 'server', cause: 'invalid_response', serverAnswered: false };
  expect(outcome('PH--', { status: 502, Tr: -1 })).toMatchObject(invalid);
});

test('a request that could not be read is the fault of the client', () => {
  const unreadable = { ...NO_SERVER, method: '<BADREQ>', status: 400 };
  expect(outcome('PR--', unreadable)).toMatchObject({ fault: 'client', cause: 'invalid_request' });
  // Closed by a rule, without an answer: nobody is at fault.
  expect(outcome('PR--', { ...unreadable, status: -1 })).toMatchObject({ fault: 'none' });
});

test('a 5xx is the fault of who sent it', () => {
  expect(outcome('----', { status: 500 })).toMatchObject({ fault: 'server', serverAnswered: true });
  expect(outcome('----', { ...NO_SERVER, status: 500 })).toMatchObject({ fault: 'proxy' });
});

// Reported with the headers of the reply.
test.each([
  [504, 'server', 'server_timeout'],
  [503, 'server', 'connect_error'],
  [502, 'server', undefined],
  [408, 'client', 'client_timeout'],
  [400, 'client', 'client_abort'],
])(
  '%i in place of a tried server, without a state: fault of %s, cause %s',
  (status, fault, cause) => {
    const changes = { termination_state: undefined, status, Tr: -1 };
    expect(outcome('-', changes)).toMatchObject({ fault, cause, triedServer: true });
    expect(outcome('-', { ...changes, Tr: 1 })).toMatchObject({ serverAnswered: true });
  },
);

test('a server whose queue the request never left was not tried', () => {
  expect(outcome('sQ--', { Tw: -1 }).triedServer).toBe(false);
  expect(outcome('CQ--', { Tw: -1 }).triedServer).toBe(false);
});

test.each([
  ['SSL handshake failure', 'tls_handshake_error'],
  ['Timeout during SSL handshake', 'tls_handshake_error'],
  ['Received something which does not look like a PROXY protocol header', 'connection_error'],
])('a connection that failed with "%s": %s', (error, cause) => {
  const changes = { ...NO_SERVER, error, method: '<BADREQ>' };
  expect(outcome('PR--', changes)).toMatchObject({ fault: 'client', cause, triedServer: false });
});

test('an unreadable request in the error log format is a request', () => {
  const changes = { ...NO_SERVER, error: 'Success', method: '<BADREQ>', status: 400 };
  expect(outcome('PR--', changes)).toMatchObject({ cause: 'invalid_request' });
});
