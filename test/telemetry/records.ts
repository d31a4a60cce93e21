import type { Hop } from '../../src/context/hop.ts';
import { parseHop } from '../../src/context/hop-view.ts';
import type { HopRecord } from '../../src/records/record.ts';
import { RecordParser } from '../../src/records/record-parser.ts';
import { hopOf, recordLine } from '../records/lines.ts';

/** One for all lines: state of one must not show in another. */
const parser = new RecordParser();

/** A record with these fields changed, and its hop, as the pipeline has them: a view of a line among others. */
export function record(
  changes: Readonly<Record<string, unknown>>,
  hop = hopOf(1),
): [HopRecord, Hop] {
  const line = Buffer.from(`##${recordLine(hop, changes)}`);
  const parsed = parser.view(line, 2, line.length);
  const own = parsed?.hop ?? parseHop(hopOf(99));
  if (parsed === undefined || own === undefined) throw new Error('unusable');
  return [parsed, own];
}

/** Records of all kinds: a name, what is changed, and the hop where it is not that of number 1. */
export const RECORDS: readonly [string, Readonly<Record<string, unknown>>, string?][] = [
  ['a request like any other', {}],
  ['a child with a tracestate', { tracestate: 'a=1,b="2"' }, `${hopOf(2)}-b7ad6b7169203331`],
  ['one that HAProxy minted', {}, `${hopOf(3)}-h`],
  ['one with a link', {}, `${hopOf(4)}-l-${'ab'.repeat(16)}-${'cd'.repeat(8)}-03`],
  ['one that a caller debugs', {}, `${hopOf(5)}-b7ad6b7169203331-d`],
  ['one that never reached the agent', {}, '-'],
  ['a route and secrets', { route: '/a/:b', target: '/a?sig=x&y=\u00e9' }],
  ['no server', { server: '<NOSRV>', Tw: -1, status: 503, termination_state: 'SC--' }],
  ['a retry', { retries: '+3', status: 502, termination_state: 'SH--', Tr: -1 }],
  ['a client that left', { status: -1, termination_state: 'CD--' }],
  ['text of many bytes', { target: '/\u{1f600}'.repeat(900), user_agent: '\u00fc'.repeat(5000) }],
  ['a connection', { kind: 'tcp', termination_state: 'SC', retries: '+1' }, '-'],
  ['a failed handshake', { error: 'SSL handshake failure' }, '-'],
  ['an unknown method', { method: 'PURGE' }],
  [
    'attributes of the user',
    { own: { a: 'x', 'b:double': 1.5, 'c:bool': 1, 'http.request.header.d': 'y', 'e:int': 0 } },
  ],
  [
    'whole numbers',
    {
      own: {
        'a:int': -1,
        'b:int': -(2 ** 31) - 1,
        'c:int': -(2 ** 52),
        'd:int': 2 ** 52,
        'e:int': 128,
      },
    },
  ],
  ['doubles that are whole', { own: { 'a:double': '4.0', 'b:double': -1, 'c:double': 2 ** 63 } }],
  ['peers on unix sockets', { client_address: 'unix', server_address: 'unix', server_port: '0' }],
  ['a status that a rule changed', { server_status: '503' }],
  ['an id of its own for the server', { request_id: undefined }],
  ['a long target', { target: `/${'a'.repeat(90)}?${'b'.repeat(200)}` }],
  ['an empty query', { target: '/a?' }],
  ['a query with what looks like a secret', { target: '/a?size=1&X-Y=2&Signature=no&sig=yes&b=1' }],
  ['a target in the absolute form', { target: 'HTTPS://other.example:8443/a?b' }],
  ['CONNECT', { method: 'CONNECT', target: 'other.example:443' }],
  ['a target that rules changed', { sent: '/b?c=1' }],
  ['a server with a name of many bytes', { server: 'gr\u00fcn', server_address: 'unix' }],
];
