import { describe, expect, test } from 'vitest';
import { parseHop } from '../../src/context/hop.ts';
import { Minter } from '../../src/context/mint.ts';
import { createSampler, type SamplerConfig } from '../../src/context/sampling.ts';
import { NotifyReader, readFrameHead } from '../../src/spop/decode.ts';
import { AckWriter } from '../../src/spop/encode.ts';
import { Reader } from '../../src/spop/reader.ts';
import { Writer } from '../../src/spop/writer.ts';
import {
  decodeAgentFrames,
  type Items,
  type Message,
  nothing,
  notify,
  text,
  uint32,
} from '../spop/frames.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const PARENT_ID = 'b7ad6b7169203331';
const SAMPLED = `00-${TRACE_ID}-${PARENT_ID}-01`;

const ALWAYS: SamplerConfig = { name: 'parentbased_always_on', ratio: 1 };

type Answer = { hop: string; traceparent: string; tracestate?: string };

function mint(messages: readonly Message[], config = ALWAYS, minter = minterOf(config)): Answer {
  const reader = new Reader();
  const bytes = notify(3, 1, messages);
  reader.reset(bytes, 4, bytes.length);
  readFrameHead(reader);
  const cursor = new NotifyReader(reader);
  cursor.open();
  const out = new Writer();
  const ack = new AckWriter(out);
  ack.begin(cursor);
  minter.handle(cursor, ack);
  ack.end();
  const [frame] = decodeAgentFrames(out.bytes());
  expect(frame).toMatchObject({ streamId: 3, frameId: 1 });
  for (const action of frame?.actions ?? []) expect(action.scope).toBe(2);
  return Object.fromEntries(
    (frame?.actions ?? []).map(({ name, value }) => [name, value]),
  ) as Answer;
}

function minterOf(config: SamplerConfig): Minter {
  return new Minter(createSampler(config));
}

function request(headers: { traceparent?: string[]; tracestate?: string[] }): Message[] {
  const { traceparent = [], tracestate = [] } = headers;
  const last = traceparent.at(-1);
  const [first, ...more] = tracestate;
  const args: Items = [
    ['traceparent', last === undefined ? nothing : text(last)],
    ['traceparent_count', uint32(traceparent.length)],
    ['tracestate', first === undefined ? nothing : text(first)],
    ['tracestate_count', uint32(tracestate.length)],
  ];
  const rest = Array.from({ length: 7 }, (_, i) => more[i]).map(
    (value) => ['tracestate', value === undefined ? nothing : text(value)] as const,
  );
  return more.length === 0
    ? [['mint', args]]
    : [
        ['mint', args],
        ['tracestates', rest],
      ];
}

test('without a traceparent a trace is started, random and sampled', () => {
  const { hop, traceparent, tracestate } = mint(request({}));
  const parsed = parseHop(hop);
  expect(parsed).toMatchObject({ parentId: undefined, traceFlags: 3 });
  expect(traceparent).toBe(`00-${parsed?.traceId}-${parsed?.clientSpanId}-03`);
  expect(tracestate).toBeUndefined();
  expect(new Set([parsed?.traceId.slice(16), parsed?.spanId, parsed?.clientSpanId]).size).toBe(3);
});

test('ids are different each time', () => {
  const minter = minterOf(ALWAYS);
  const hops = Array.from({ length: 5000 }, () => parseHop(mint(request({}), ALWAYS, minter).hop));
  expect(new Set(hops.map((hop) => hop?.traceId)).size).toBe(5000);
  expect(new Set(hops.flatMap((hop) => [hop?.spanId, hop?.clientSpanId])).size).toBe(10_000);
});

describe('a valid traceparent is continued', () => {
  test.each([
    ['01', 1],
    ['00', 0],
    ['03', 3],
    ['02', 2],
    ['ff', 3],
  ])('flags %s are %d upstream', (flags, expected) => {
    const { hop, traceparent } = mint(
      request({ traceparent: [`00-${TRACE_ID}-${PARENT_ID}-${flags}`] }),
    );
    const parsed = parseHop(hop);
    expect(parsed).toMatchObject({ traceId: TRACE_ID, parentId: PARENT_ID, traceFlags: expected });
    expect(traceparent).toBe(`00-${TRACE_ID}-${parsed?.clientSpanId}-0${expected}`);
  });

  test('with its tracestate', () => {
    const answer = mint(request({ traceparent: [SAMPLED], tracestate: ['a=1,b=2'] }));
    expect(answer.tracestate).toBe('a=1,b=2');
  });

  test('with all header fields of its tracestate, in order', () => {
    const answer = mint(request({ traceparent: [SAMPLED], tracestate: ['a=1', 'b=2', 'c=3'] }));
    expect(answer.tracestate).toBe('a=1,b=2,c=3');
  });

  test('without its tracestate when it is malformed, or has more fields than are asked for', () => {
    expect(mint(request({ traceparent: [SAMPLED], tracestate: ['A'] })).tracestate).toBeUndefined();
    const many = Array.from({ length: 9 }, (_, i) => `k${i}=v`);
    expect(mint(request({ traceparent: [SAMPLED], tracestate: many })).tracestate).toBeUndefined();
  });
});

describe('a trace is started instead', () => {
  test.each([
    ['an invalid traceparent', { traceparent: ['00-nonsense'], tracestate: ['a=1'] }],
    ['two traceparents', { traceparent: [SAMPLED, SAMPLED], tracestate: ['a=1'] }],
    ['a tracestate alone', { tracestate: ['a=1'] }],
  ])('of %s, and tracestate dropped', (_name, headers) => {
    const { hop, tracestate } = mint(request(headers));
    expect(parseHop(hop)?.traceId).not.toBe(TRACE_ID);
    expect(parseHop(hop)?.parentId).toBeUndefined();
    expect(tracestate).toBeUndefined();
  });
});

describe('sampling', () => {
  const sampled = (config: SamplerConfig, traceparent?: string): boolean => {
    const flags = mint(
      request(traceparent === undefined ? {} : { traceparent: [traceparent] }),
      config,
    ).traceparent;
    return (Number.parseInt(flags.slice(53), 16) & 1) === 1;
  };
  const unsampled = `00-${TRACE_ID}-${PARENT_ID}-00`;

  test.each([
    ['always_on', true, true, true],
    ['always_off', false, false, false],
    ['parentbased_always_on', true, false, true],
    ['parentbased_always_off', true, false, false],
  ] as const)('%s', (name, withSampled, withUnsampled, root) => {
    expect(sampled({ name, ratio: 1 }, SAMPLED)).toBe(withSampled);
    expect(sampled({ name, ratio: 1 }, unsampled)).toBe(withUnsampled);
    expect(sampled({ name, ratio: 1 })).toBe(root);
  });

  test.each(['traceidratio', 'parentbased_traceidratio'] as const)('%s keeps its share', (name) => {
    const minter = minterOf({ name, ratio: 0.25 });
    for (let i = 0; i < 20_000; i += 1) mint(request({}), ALWAYS, minter);
    // Five standard deviations of a binomial distribution with 20,000 draws.
    expect(Math.abs(minter.counts.sampled / 20_000 - 0.25)).toBeLessThan(0.0155);
  });

  test('traceidratio decides by the trace id: every hop alike', () => {
    const config = { name: 'traceidratio', ratio: 0.5 } as const;
    const low = `00-${'f'.repeat(18)}7${'f'.repeat(13)}-${PARENT_ID}-01`;
    const high = `00-${'f'.repeat(18)}8${'0'.repeat(13)}-${PARENT_ID}-00`;
    expect([sampled(config, low), sampled(config, high)]).toEqual([false, true]);
  });

  test('parentbased_traceidratio follows the caller', () => {
    const config = { name: 'parentbased_traceidratio', ratio: 0 } as const;
    expect([sampled(config, SAMPLED), sampled(config, unsampled), sampled(config)]).toEqual([
      true,
      false,
      false,
    ]);
  });

  test.each([
    [0, 0],
    [1, 1000],
  ])('a ratio of %d', (ratio, expected) => {
    const minter = minterOf({ name: 'traceidratio', ratio });
    for (let i = 0; i < 1000; i += 1) mint(request({}), ALWAYS, minter);
    expect(minter.counts.sampled).toBe(expected);
  });
});

test('unknown messages and arguments are passed over', () => {
  const answer = mint([
    ['other', [['traceparent', text('x')]]],
    [
      'mint',
      [
        ['unknown', text('y')],
        ['traceparent', text(SAMPLED)],
        ['tracestate', uint32(5)],
      ],
    ],
  ]);
  expect(parseHop(answer.hop)?.traceId).toBe(TRACE_ID);
  expect(Object.keys(mint([['other', []]]))).toEqual(['nothing']);
});

test('each request is counted once, by what became of it', () => {
  const minter = minterOf(ALWAYS);
  const headers = [
    {},
    { traceparent: [SAMPLED] },
    { traceparent: ['bad'] },
    { traceparent: [SAMPLED, SAMPLED] },
  ];
  for (const each of headers) mint(request(each), ALWAYS, minter);
  expect(minter.counts).toEqual({ continued: 1, started: 1, restarted: 2, sampled: 4 });
});
