import { beforeEach, expect, test } from 'vitest';
import { OtlpSpanKind, type ReceivedSpan } from '../../src/demo/otlp-receiver.ts';
import { Account, type AgentTerms } from './account.ts';

const PATH = '/kept/1';
const TRACE = 'a'.repeat(32);
const CALLER = { traceId: TRACE, spanId: '1'.repeat(16) };
const SERVER = '2'.repeat(16);
const CLIENT = '3'.repeat(16);

const COUNTED: AgentTerms = {
  exported: 2,
  refused: 0,
  dropped: 0,
  waiting: 0,
  retries: 0,
  droppedByHaproxy: 0,
  unknown: 0,
};

function span(kind: number, spanId: string, parentSpanId: string, path = PATH): ReceivedSpan {
  return {
    ...({} as ReceivedSpan),
    kind,
    spanId,
    parentSpanId,
    traceId: TRACE,
    attributes: kind === OtlpSpanKind.SERVER ? { 'url.path': path } : {},
  };
}

const server = span(OtlpSpanKind.SERVER, SERVER, CALLER.spanId);
const client = span(OtlpSpanKind.CLIENT, CLIENT, SERVER);

let account: Account;
beforeEach(() => {
  account = new Account();
  const sent = account.begin(PATH, CALLER);
  account.atServer(PATH, `00-${TRACE}-${CLIENT}-01`);
  sent.ended = performance.now();
  sent.traceId = TRACE;
});

test('a hop that was exported once is all that there has to be', () => {
  account.accept([server, client]);
  expect(account.verdict(COUNTED)).toEqual({
    violations: [],
    terms: { requests: 1, exported: 1, 'spans repeated': 0 },
  });
});

test.each<[string, () => void, Partial<AgentTerms>, RegExp]>([
  ['a hop that is lost', () => {}, { exported: 0 }, /^lost: \/kept\/1/],
  [
    'a request that failed',
    () => {
      const sent = account.begin('/kept/2', undefined);
      sent.ended = performance.now();
      sent.failure = 'status 503';
      account.accept([server, client]);
    },
    {},
    /^failed: \/kept\/2 .*status 503/,
  ],
  [
    'a hop of nobody',
    () =>
      account.accept([server, client, span(OtlpSpanKind.SERVER, '4'.repeat(16), '', '/kept/9')]),
    { exported: 3 },
    /^invented: a hop of \/kept\/9/,
  ],
  [
    'a second hop of a request',
    () =>
      account.accept([server, client, span(OtlpSpanKind.SERVER, '4'.repeat(16), CALLER.spanId)]),
    { exported: 3 },
    /^doubled: \/kept\/1/,
  ],
  [
    'a batch that comes again though it was answered',
    () => {
      account.accept([server, client]);
      account.accept([server, client]);
    },
    {},
    /^doubled: 1 calls came again/,
  ],
  ['a child before its parent', () => account.accept([client, server]), {}, /^before its parent/],
  [
    'a parent that is missing',
    () => account.accept([server, span(OtlpSpanKind.CLIENT, CLIENT, '9'.repeat(16))]),
    {},
    /^no parent: CLIENT span 3+ of 9+/,
  ],
  [
    'a trace that was not continued',
    () => account.accept([{ ...server, traceId: 'b'.repeat(32) }, client]),
    {},
    /^not continued: \/kept\/1/,
  ],
  [
    'a caller that is no parent',
    () => account.accept([{ ...server, parentSpanId: '' }, client]),
    {},
    /^not under its caller: \/kept\/1/,
  ],
  [
    'an agent that counts what did not come',
    () => account.accept([server, client]),
    { exported: 4 },
    /^miscounted: 4 spans exported/,
  ],
  [
    'an agent that counts refusals that were none',
    () => account.accept([server, client]),
    { refused: 1 },
    /^miscounted: 1 spans refused/,
  ],
])('the law finds %s', (_, act, counted, violation) => {
  act();
  const { violations } = account.verdict({ ...COUNTED, ...counted });
  expect(violations).toContainEqual(expect.stringMatching(violation));
});

test('a loss is a term of its own within its bound, and a failure beyond it', () => {
  const more = account.begin('/kept/2', undefined);
  more.ended = performance.now();
  const paths = account.unexported();
  account.mayLose({ reason: 'killed', paths, most: 1 });
  const { terms, violations } = account.verdict({ ...COUNTED, exported: 0 });
  expect(terms).toMatchObject({ killed: 1, UNACCOUNTED: 1 });
  expect(violations).toHaveLength(1);
});

test('what the receiver refused, and what the agent dropped, is accounted for', () => {
  account.refuse([server, client]);
  account.begin('/kept/2', undefined).ended = performance.now();
  const { terms, violations } = account.verdict({
    ...COUNTED,
    exported: 0,
    refused: 2,
    dropped: 2,
  });
  expect(violations).toEqual([]);
  expect(terms).toMatchObject({ 'refused by the receiver': 1, 'dropped by the agent': 1 });
});

test('a batch comes again where its answer was lost, which the agent counts', () => {
  account.accept([server, client]);
  account.accept([server, client]);
  expect(account.verdict({ ...COUNTED, retries: 1 }).violations).toEqual([]);
});
