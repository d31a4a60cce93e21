import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseHop } from '../../src/context/hop-view.ts';
import { Minter, type MinterOptions } from '../../src/context/mint.ts';
import { Sampler, type SamplerConfig } from '../../src/context/sampling.ts';
import { NotifyReader, readFrameHead } from '../../src/spop/decode.ts';
import { AckWriter } from '../../src/spop/encode.ts';
import { Reader } from '../../src/spop/reader.ts';
import { Writer } from '../../src/spop/writer.ts';
import { decodeAgentFrames, type Message, nothing, notify, text, uint32 } from '../spop/frames.ts';

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

function minterOf(config: SamplerConfig, options?: MinterOptions): Minter {
  return new Minter(new Sampler(config), options);
}

type Asked = {
  readonly traceparent?: string[];
  readonly tracestate?: string[];
  /** Null is not set. */
  readonly trust?: string | null;
  readonly ratio?: string;
};

/** The messages of spoe/otel.conf for such a request, of a caller who is trusted unless set otherwise. */
function request({
  traceparent = [],
  tracestate = [],
  trust = 'continue',
  ratio,
}: Asked): Message[] {
  const optional = (value: string | null | undefined) => (value == null ? nothing : text(value));
  const mint: Message = [
    'mint',
    [
      ['traceparent', optional(traceparent.at(-1))],
      ['traceparent_count', uint32(traceparent.length)],
      ['trust', optional(trust)],
      ['ratio', optional(ratio)],
    ],
  ];
  const fields = Array.from(
    { length: 8 },
    (_, i) => ['tracestate', optional(tracestate[i])] as const,
  );
  const tracestates: Message = [
    'tracestates',
    [['tracestate_count', uint32(tracestate.length)], ...fields],
  ];
  return tracestate.length === 0 ? [mint] : [mint, tracestates];
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

  test('without its tracestate when nothing of it is short enough', () => {
    const long = `${'k'.repeat(256)}=${'v'.repeat(256)}`;
    expect(
      mint(request({ traceparent: [SAMPLED], tracestate: [long] })).tracestate,
    ).toBeUndefined();
  });

  test('without the member that the engine cut, in a field that is too long', () => {
    const long = Array.from({ length: 7 }, (_, i) => `k${i}=${'v'.repeat(136)}`);
    const field = [...long, 'y=1', `z=${'v'.repeat(100)}`].join(',').slice(0, 1_025);
    expect(field).toHaveLength(1_025);
    const { tracestate } = mint(request({ traceparent: [SAMPLED], tracestate: [field] }));
    expect(tracestate).toMatch(/,y=1$/);
    expect(tracestate).not.toContain('z=');
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

  test.each(['traceidratio', 'parentbased_traceidratio'] as const)(
    '%s samples its share',
    (name) => {
      const minter = minterOf({ name, ratio: 0.25 });
      for (let i = 0; i < 20_000; i += 1) mint(request({}), ALWAYS, minter);
      // Five standard deviations of a binomial distribution with 20,000 draws.
      expect(Math.abs(minter.counts.sampled / 20_000 - 0.25)).toBeLessThan(0.0155);
    },
  );

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
        ['trust', text('continue')],
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
  expect(minter.counts).toEqual({
    continued: 1,
    started: 1,
    invalid: 2,
    restarted: 0,
    ignored: 0,
    sampled: 4,
    limited: 0,
  });
});

describe('trust', () => {
  const incoming = { traceparent: [SAMPLED], tracestate: ['a=1'] };
  const off: SamplerConfig = { name: 'parentbased_always_off', ratio: 1 };

  test("continue continues the caller's trace", () => {
    const answer = mint(request({ ...incoming, trust: 'continue' }));
    expect(parseHop(answer.hop)).toMatchObject({ traceId: TRACE_ID, parentId: PARENT_ID });
    expect(answer.tracestate).toBe('a=1');
  });

  test('unset is the same as restart, and reported', () => {
    let unset = 0;
    const onTrustUnset = (): void => {
      unset += 1;
    };
    const minter = minterOf(off, { onTrustUnset });
    const { hop, tracestate } = mint(request({ ...incoming, trust: null }), off, minter);
    expect(parseHop(hop)).toMatchObject({
      parentId: undefined,
      traceFlags: 2,
      link: { traceId: TRACE_ID, spanId: PARENT_ID },
    });
    expect(tracestate).toBeUndefined();
    expect(unset).toBe(1);
    for (const trust of ['continue', 'restart', 'ignore', 'other']) {
      mint(request({ ...incoming, trust }), off, minter);
    }
    expect(unset).toBe(1);
  });

  test("restart starts a trace with a link; the caller's flag and tracestate do not count", () => {
    const { hop, traceparent, tracestate } = mint(request({ ...incoming, trust: 'restart' }), off);
    const parsed = parseHop(hop);
    expect(parsed).toMatchObject({
      parentId: undefined,
      traceFlags: 2,
      link: { traceId: TRACE_ID, spanId: PARENT_ID, traceFlags: 1 },
    });
    expect(parsed?.traceId).not.toBe(TRACE_ID);
    expect(traceparent).toBe(`00-${parsed?.traceId}-${parsed?.clientSpanId}-02`);
    expect(tracestate).toBeUndefined();
  });

  test('ignore starts one without', () => {
    const { hop, tracestate } = mint(request({ ...incoming, trust: 'ignore' }));
    expect(parseHop(hop)).toMatchObject({ parentId: undefined, link: undefined, traceFlags: 3 });
    expect(parseHop(hop)?.traceId).not.toBe(TRACE_ID);
    expect(tracestate).toBeUndefined();
  });

  test('there is no link to what cannot be used', () => {
    const { hop } = mint(request({ traceparent: [SAMPLED, SAMPLED], trust: 'restart' }));
    expect(parseHop(hop)?.link).toBeUndefined();
  });

  test('an unknown word is reported, and does not continue', () => {
    const told: string[][] = [];
    const minter = minterOf(ALWAYS, { onBadArgument: (...what) => told.push(what) });
    const { hop } = mint(request({ ...incoming, trust: 'retsart' }), ALWAYS, minter);
    expect(parseHop(hop)).toMatchObject({ parentId: undefined, link: undefined });
    expect(told).toEqual([['trust', 'retsart', 'continue, restart, ignore']]);
  });

  test('is counted', () => {
    const minter = minterOf(ALWAYS);
    for (const trust of ['continue', 'restart', 'ignore', 'restart']) {
      mint(request({ ...incoming, trust }), ALWAYS, minter);
    }
    mint(request({ trust: 'restart' }), ALWAYS, minter);
    mint(request({ traceparent: ['no'], trust: 'restart' }), ALWAYS, minter);
    expect(minter.counts).toEqual({
      continued: 1,
      started: 1,
      invalid: 1,
      restarted: 2,
      ignored: 1,
      sampled: 6,
      limited: 0,
    });
  });
});

describe('a ratio from HAProxy', () => {
  const flagsWith = (ratio: string, traceparent?: string): string =>
    mint(request({ ratio, ...(traceparent === undefined ? {} : { traceparent: [traceparent] }) }))
      .traceparent;

  test.each([
    ['0', undefined, '02'],
    ['1', undefined, '03'],
    ['0', SAMPLED, '01'],
  ])('%s, caller %s: flags %s', (ratio, caller, flags) => {
    expect(flagsWith(ratio, caller).slice(53)).toBe(flags);
  });

  test('is sampled', () => {
    const minter = minterOf(ALWAYS);
    for (let i = 0; i < 10_000; i += 1) mint(request({ ratio: '0.3' }), ALWAYS, minter);
    // Five standard deviations of a binomial distribution with 10,000 draws.
    expect(Math.abs(minter.counts.sampled / 10_000 - 0.3)).toBeLessThan(0.023);
  });

  test.each(['', 'x', '2', '-1', 'NaN', '10%'])('%j is reported, and is none', (ratio) => {
    const told: string[] = [];
    const minter = minterOf(ALWAYS, { onBadArgument: (name) => told.push(name) });
    expect(mint(request({ ratio }), ALWAYS, minter).traceparent.slice(53)).toBe('03');
    expect(told).toEqual(['ratio']);
  });
});

describe('the threshold, in tracestate', () => {
  const config: SamplerConfig = { name: 'parentbased_probability', ratio: 1 };

  test('of a trace that starts here', () => {
    expect(mint(request({}), config).tracestate).toBe('ot=th:0');
    expect(mint(request({ ratio: '0' }), config).tracestate).toBeUndefined();
  });

  test('of one that is continued: passed byte for byte where it stays', () => {
    const given = 'a=1, ot=th:0;x:y ,b=2';
    const asked = request({ traceparent: [SAMPLED], tracestate: [given] });
    expect(mint(asked, config).tracestate).toBe(given);
  });

  test('erased where the caller did not sample', () => {
    const unsampled = SAMPLED.replace(/01$/, '00');
    const answer = (state: string): string | undefined =>
      mint(request({ traceparent: [unsampled], tracestate: [state] }), config).tracestate;
    expect(answer('a=1,ot=th:0;x:y')).toBe('ot=x:y,a=1');
    expect(answer('ot=th:0')).toBeUndefined();
  });
});

describe('other formats', () => {
  const B3: Message = ['b3', [['b3', text(`${TRACE_ID}-${PARENT_ID}-1`)]]];
  const JAEGER: Message = [
    'jaeger',
    [['uber-trace-id', text(`${'c'.repeat(32)}:${PARENT_ID}:0:0`)]],
  ];
  const XRAY: Message = [
    'xray',
    [['x-amzn-trace-id', text(`Root=1-dddddddd-${'d'.repeat(24)};Parent=${PARENT_ID}`)]],
  ];
  const W3C = `00-${'e'.repeat(32)}-${PARENT_ID}-01`;

  test.each([
    ['b3', [B3], TRACE_ID, 1],
    ['jaeger', [JAEGER], 'c'.repeat(32), 0],
    ['xray, undecided', [XRAY], 'd'.repeat(32), 1],
  ] as const)('%s is continued', (_name, messages, traceId, flags) => {
    const { hop, traceparent } = mint([...request({}), ...messages]);
    const parsed = parseHop(hop);
    expect(parsed).toMatchObject({ traceId, parentId: PARENT_ID, traceFlags: flags });
    expect(traceparent).toBe(`00-${traceId}-${parsed?.clientSpanId}-0${flags}`);
  });

  test('the first valid one in order wins', () => {
    const all = [...request({ traceparent: [W3C], tracestate: ['a=1'] }), XRAY, JAEGER, B3];
    const traceOf = (
      propagators?: MinterOptions['propagators'],
      messages: Message[] = all,
    ): string =>
      mint(messages, ALWAYS, minterOf(ALWAYS, propagators && { propagators })).hop.slice(0, 32);
    expect(traceOf()).toBe('e'.repeat(32));
    expect(traceOf(['xray', 'tracecontext'])).toBe('d'.repeat(32));
    expect(traceOf(['jaeger', 'b3'])).toBe('c'.repeat(32));
    expect(traceOf(undefined, [...request({ traceparent: ['no'] }), JAEGER, B3])).toBe(TRACE_ID);
    expect(['c', 'd', 'e'].map((digit) => digit.repeat(32))).not.toContain(traceOf([]));
  });

  test("another format's trace has no tracestate", () => {
    const messages = [...request({ traceparent: ['no'], tracestate: ['a=1'] }), B3];
    expect(mint(messages).tracestate).toBeUndefined();
  });

  test.each([
    ['0', 2],
    ['1', 3],
    ['d', 3],
  ])('a decision alone, b3: %s, starts a trace with it', (value, flags) => {
    const { hop } = mint([...request({}), ['b3', [['b3', text(value)]]]]);
    expect(parseHop(hop)).toMatchObject({ parentId: undefined, traceFlags: flags });
    expect(hop.endsWith('-d')).toBe(value === 'd');
  });

  test('debug is sampled whatever the sampler decides, and marked', () => {
    const debug: Message = ['b3', [['b3', text(`${TRACE_ID}-${PARENT_ID}-d`)]]];
    const { hop } = mint([...request({}), debug], { name: 'always_off', ratio: 1 });
    expect(parseHop(hop)).toMatchObject({ traceId: TRACE_ID, parentId: PARENT_ID, traceFlags: 1 });
    expect(hop.endsWith('-d')).toBe(true);
  });

  test('debug counts where traces are limited, and is not limited itself', () => {
    const minter = minterOf({ name: 'always_on', ratio: 1, maxTracesPerSecond: 2 });
    const debug: Message = ['b3', [['b3', text(`${TRACE_ID}-${PARENT_ID}-d`)]]];
    for (let i = 0; i < 5; i += 1) mint([...request({}), debug], ALWAYS, minter);
    mint(request({}), ALWAYS, minter);
    expect(minter.counts).toMatchObject({ sampled: 5, limited: 1 });
  });

  test('one of several parts that is there twice is none', () => {
    const parts: Message = [
      'b3',
      [
        ['count', uint32(0)],
        ['count', uint32(2)],
        ['count', uint32(1)],
        ['x-b3-traceid', text(TRACE_ID)],
        ['x-b3-spanid', text(PARENT_ID)],
      ],
    ];
    expect(parseHop(mint([...request({}), parts]).hop)?.parentId).toBeUndefined();
  });

  test('a header that is there twice is none', () => {
    const twice: Message = ['b3', [...B3[1], ['count', uint32(2)]]];
    const { hop } = mint([...request({}), twice]);
    expect(parseHop(hop)?.parentId).toBeUndefined();
  });

  test('one that is not trusted is linked to, its debug flag counts for nothing', () => {
    const debug: Message = ['b3', [['b3', text(`${TRACE_ID}-${PARENT_ID}-d`)]]];
    const config: SamplerConfig = { name: 'parentbased_always_off', ratio: 1 };
    const { hop } = mint([...request({ trust: 'restart' }), debug], config);
    expect(parseHop(hop)).toMatchObject({
      traceFlags: 2,
      link: { traceId: TRACE_ID, spanId: PARENT_ID, traceFlags: 1 },
    });
  });
});

test('whatever comes, what goes upstream is well-formed', () => {
  const value = fc.oneof(
    fc.string({ maxLength: 80 }),
    fc.string({ unit: fc.constantFrom(...'0123456789abcdef-=,;: thrvot'), maxLength: 300 }),
    fc.constantFrom(SAMPLED, `${TRACE_ID}-${PARENT_ID}-1`, 'ot=th:8;rv:00000000000000', 'restart'),
  );
  const names = fc.constantFrom(
    ...['traceparent', 'traceparent_count', 'tracestate', 'tracestate_count', 'trust', 'ratio'],
    ...['b3', 'count', 'x-b3-traceid', 'x-b3-sampled', 'uber-trace-id', 'x-amzn-trace-id'],
  );
  const data = fc.oneof(value.map(text), fc.nat({ max: 239 }).map(uint32), fc.constant(nothing));
  const args = fc.array(fc.tuple(names, data), { maxLength: 8 });
  const message = fc.tuple(fc.constantFrom('mint', 'tracestates', 'b3', 'jaeger', 'xray'), args);
  fc.assert(
    fc.property(fc.array(message, { maxLength: 6 }), (messages) => {
      const { hop, traceparent, tracestate } = mint([['mint', []], ...messages]);
      expect(traceparent).toMatch(/^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]$/);
      expect(parseHop(hop)?.traceId).toBe(traceparent.slice(3, 35));
      if (tracestate !== undefined) {
        expect(tracestate.length).toBeLessThanOrEqual(512);
        expect(tracestate).toMatch(
          /^[a-z0-9][a-z0-9_*/@-]{0,255}=[ -+\--<>-~]{1,256}([ \t]*,[ \t]*([a-z0-9][a-z0-9_*/@-]{0,255}=[ -+\--<>-~]{1,256})?)*$/,
        );
      }
    }),
    { seed: 11, numRuns: 3_000 },
  );
});

test('what one agent sends upstream, the next continues: same trace, same decision, same tracestate', () => {
  const key = fc.stringMatching(/^[a-z][a-z0-9_]{0,8}$/).filter((name) => name !== 'ot');
  const value = fc.stringMatching(/^[!-+\--<>-~]{1,12}$/);
  const members = fc.uniqueArray(fc.tuple(key, value), {
    selector: ([name]) => name,
    maxLength: 5,
  });
  const id = (digits: number): fc.Arbitrary<string> =>
    fc.stringMatching(new RegExp(`^[0-9a-f]{${digits}}$`)).filter((text) => !/^0+$/.test(text));
  const caller = fc.option(fc.tuple(id(32), id(16), fc.nat({ max: 3 }), members));
  const ratio = fc.option(fc.double({ min: 0, max: 1, noNaN: true }).map(String));
  const config: SamplerConfig = { name: 'parentbased_probability', ratio: 0.5 };
  const asked = (
    traceparent: string | undefined,
    state: string | undefined,
    more = {},
  ): Message[] =>
    request({
      ...more,
      ...(traceparent === undefined ? {} : { traceparent: [traceparent] }),
      ...(state === undefined || state === '' ? {} : { tracestate: [state] }),
    });
  fc.assert(
    fc.property(caller, ratio, (from, share) => {
      const given = from && `00-${from[0]}-${from[1]}-0${from[2]}`;
      const state = from?.[3].map((member) => member.join('=')).join(',');
      const route = share === null ? {} : { ratio: share };
      const first = mint(asked(given ?? undefined, state, route), config);
      const second = mint(asked(first.traceparent, first.tracestate), config);
      expect(parseHop(second.hop)).toMatchObject({
        traceId: first.traceparent.slice(3, 35),
        parentId: first.traceparent.slice(36, 52),
      });
      expect(second.traceparent.slice(53)).toBe(first.traceparent.slice(53));
      expect(second.tracestate).toBe(first.tracestate);
    }),
    { seed: 12, numRuns: 2_000 },
  );
});
