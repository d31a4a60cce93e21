import { type Context, createTraceState, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api';
import {
  type ComposableSampler,
  createComposableAlwaysOnSampler,
  createComposableParentThresholdSampler,
  createComposableProbabilitySampler,
  createCompositeSampler,
} from '@opentelemetry/sampler-composite';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { parseOtelTracestate } from '../../src/context/otel-tracestate.ts';
import { Sampler, type SamplerConfig } from '../../src/context/sampling.ts';
import { threshold, thresholdOf } from '../../src/context/threshold.ts';

/** Of a trace id with this randomness: 14 digits. */
const idWith = (randomness: string): Buffer => Buffer.from(`${'a'.repeat(18)}${randomness}`);

type Request = {
  readonly parent?: boolean;
  readonly randomness?: string;
  readonly ot?: string;
  readonly route?: string | null;
};

/** The decision, and the `th` that is sent upstream. */
function decide(config: Partial<SamplerConfig>, request: Request): [boolean, string | undefined] {
  const sampler = new Sampler({ name: 'parentbased_always_on', ratio: 1, ...config });
  const { parent, randomness = '80000000000000', ot, route } = request;
  const sampled = sampler.decide(
    parent,
    idWith(randomness),
    0,
    ot === undefined ? undefined : parseOtelTracestate(ot),
    route === undefined || route === null ? route : threshold(route),
  );
  return [sampled, sampler.threshold?.th];
}

const LOW = '7fffffffffffff';
const HIGH = '80000000000000';

describe('the threshold that goes upstream', () => {
  const half = { name: 'probability', ratio: 0.5 } as const;
  const parentHalf = { name: 'parentbased_probability', ratio: 0.5 } as const;
  test.each<[string, Partial<SamplerConfig>, Request, boolean, string | undefined]>([
    ['ProbabilitySampler, R >= T', half, { randomness: HIGH }, true, '8'],
    ['ProbabilitySampler, R < T', half, { randomness: LOW }, false, undefined],
    ['ProbabilitySampler ignores the flag', half, { randomness: HIGH, parent: false }, true, '8'],
    ["and the caller's threshold", half, { randomness: HIGH, parent: true, ot: 'th:c' }, true, '8'],
    ['rv goes before the trace id', half, { randomness: HIGH, ot: `rv:${LOW}` }, false, undefined],
    ['in both directions', half, { randomness: LOW, ot: `rv:${HIGH}` }, true, '8'],
    ['ParentThreshold starts a trace', parentHalf, { randomness: HIGH }, true, '8'],
    ["passes the caller's", parentHalf, { parent: true, ot: 'th:4' }, true, '4'],
    [
      'erases it where the caller did not sample',
      parentHalf,
      { parent: false, ot: 'th:4' },
      false,
      undefined,
    ],
    [
      'erases one that contradicts the flag',
      parentHalf,
      { parent: true, randomness: LOW, ot: 'th:c' },
      true,
      undefined,
    ],
    ['has none where the caller told none', parentHalf, { parent: true }, true, undefined],
    ['decides where the caller left it open', parentHalf, { randomness: LOW }, false, undefined],
    [
      'traceidratio writes none',
      { name: 'traceidratio', ratio: 0.5 },
      { randomness: HIGH },
      true,
      undefined,
    ],
    [
      'but corrects the one there is',
      { name: 'traceidratio', ratio: 0.5 },
      { randomness: HIGH, ot: 'th:c' },
      true,
      '8',
    ],
    ['always_on corrects it', { name: 'always_on' }, { ot: 'th:c' }, true, '0'],
    [
      'always_off erases it',
      { name: 'always_off' },
      { parent: true, ot: 'th:4' },
      false,
      undefined,
    ],
    ['parentbased_always_on passes it', {}, { parent: true, ot: 'th:4' }, true, '4'],
  ])('%s', (_name, config, request, sampled, th) => {
    expect(decide(config, request)).toEqual([sampled, th]);
  });
});

describe('a ratio from HAProxy goes before that of the configuration', () => {
  test.each<[string, Partial<SamplerConfig>, Request, boolean, string | undefined]>([
    ['less', { name: 'parentbased_probability' }, { route: 'c' }, false, undefined],
    ['more', { name: 'parentbased_probability', ratio: 0 }, { route: '4' }, true, '4'],
    ['nothing', {}, { route: null }, false, undefined],
    ['of always_off too', { name: 'always_off' }, { route: '0' }, true, undefined],
    ["but not before the caller's decision", {}, { parent: true, route: null }, true, undefined],
    [
      'which a sampler that is not parent-based does not ask',
      { name: 'always_on' },
      { parent: true, route: null },
      false,
      undefined,
    ],
  ])('%s', (_name, config, request, sampled, th) => {
    expect(decide(config, request)).toEqual([sampled, th]);
  });
});

describe('a limit of sampled traces', () => {
  test('is sampled, counted, and erases the threshold', () => {
    // All within one moment, however long that takes.
    const clock = vi.spyOn(performance, 'now').mockReturnValue(1_000);
    onTestFinished(() => clock.mockRestore());
    const sampler = new Sampler({ name: 'probability', ratio: 1, maxTracesPerSecond: 10 });
    const decisions = Array.from({ length: 100 }, () => sampler.decide(undefined, idWith(HIGH), 0));
    expect(decisions.filter(Boolean)).toHaveLength(10);
    expect(sampler.limited).toBe(90);
    expect(sampler.threshold).toBeUndefined();
  });

  test("does not break a caller's trace, which counts", () => {
    const sampler = new Sampler({
      name: 'parentbased_always_on',
      ratio: 1,
      maxTracesPerSecond: 10,
    });
    const followed = Array.from({ length: 20 }, () => sampler.decide(true, idWith(HIGH), 0));
    expect(followed.every(Boolean)).toBe(true);
    expect(sampler.decide(undefined, idWith(HIGH), 0)).toBe(false);
  });
});

/** Numbers from 0 to 1, the same in each run. */
function* randomNumbers(seed: number): Generator<number, never> {
  let state = seed;
  for (;;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

const CONTEXTS = 100_000;
/** Ratios that have exactly four digits: the composite sampler uses thirteen. */
const exactRatio = (th: string): number =>
  Number(2n ** 56n - BigInt(`0x${th.padEnd(14, '0')}`)) / 2 ** 56;

test(`agrees with OpenTelemetry's own sampler on ${CONTEXTS.toLocaleString('en')} random contexts`, () => {
  const random = randomNumbers(1);
  const draw = (): number => random.next().value;
  const hex = (digits: number): string =>
    Array.from({ length: digits }, () => Math.floor(draw() * 16).toString(16)).join('');
  const ratios = [1, 0.5, 0.1, 0.01, 0.9];
  const pairs = ratios.flatMap((ratio) => {
    const exact = exactRatio(thresholdOf(ratio)?.th ?? '');
    const stock = createComposableProbabilitySampler(exact);
    const pair = (name: SamplerConfig['name'], sampler: ComposableSampler) => ({
      own: new Sampler({ name, ratio }),
      stock: createCompositeSampler(sampler),
      parentBased: name.startsWith('parentbased'),
    });
    return [
      pair('probability', stock),
      pair('parentbased_probability', createComposableParentThresholdSampler(stock)),
    ];
  });
  pairs.push({
    own: new Sampler({ name: 'parentbased_probability', ratio: 1 }),
    stock: createCompositeSampler(
      createComposableParentThresholdSampler(createComposableAlwaysOnSampler()),
    ),
    parentBased: true,
  });
  let contradicted = 0;
  for (let i = 0; i < CONTEXTS; i += 1) {
    const traceId = hex(32);
    const th = draw() < 0.5 ? hex(1 + Math.floor(draw() * 14)) : undefined;
    const rv = draw() < 0.3 ? hex(14) : undefined;
    const flag = draw() < 0.5;
    const hasParent = draw() < 0.8;
    const ot = [th && `th:${th}`, rv && `rv:${rv}`].filter(Boolean).join(';');
    const { own, stock, parentBased } = pairs[i % pairs.length] ?? pairs[0] ?? unreachable();
    const context: Context = hasParent
      ? trace.setSpanContext(ROOT_CONTEXT, {
          traceId,
          spanId: hex(16),
          traceFlags: flag ? 1 : 0,
          isRemote: true,
          ...(ot === '' ? {} : { traceState: createTraceState(`ot=${ot}`) }),
        })
      : ROOT_CONTEXT;
    const expected = stock.shouldSample(context, traceId, 'GET', SpanKind.SERVER, {}, []);
    const caller = hasParent && ot !== '' ? parseOtelTracestate(ot) : undefined;
    const sampled = own.decide(hasParent ? flag : undefined, Buffer.from(traceId), 0, caller);
    const upstream =
      caller === undefined ? own.threshold && `th:${own.threshold.th}` : caller.with(own.threshold);
    const reached = th !== undefined && (rv ?? traceId.slice(18)) >= th.padEnd(14, '0');
    if (parentBased && hasParent && th !== undefined && reached !== flag) {
      // The flag and the threshold of the caller contradict each other. The flag is what its own spans follow: it
      // stands, and the threshold is erased ("Tracestate handling requirements", general requirements).
      contradicted += 1;
      expect([sampled, own.threshold?.th]).toEqual([flag, undefined]);
      continue;
    }
    const told = expected.traceState?.get('ot') ?? '';
    // Where nothing is left of the member the package leaves it as it came, against the specification.
    const stale = (upstream ?? '') === '' && told === ot;
    // A threshold that is propagated has its zeros at the end here.
    const meaning = (value: string): unknown => {
      const { threshold, randomness } = parseOtelTracestate(value);
      return [threshold?.th, randomness?.toString()];
    };
    expect([i, sampled, meaning(upstream ?? '')]).toEqual([
      i,
      expected.decision === 2,
      meaning(stale ? '' : told),
    ]);
  }
  expect(contradicted).toBeLessThan(CONTEXTS / 4);
});

function unreachable(): never {
  throw new Error('no samplers');
}

describe('ratios, to within five standard deviations of a binomial distribution', () => {
  test.each([0.5, 0.1, 0.01, 0.001])('%d', (ratio) => {
    const draws = 200_000;
    const random = randomNumbers(42);
    const sampler = new Sampler({ name: 'traceidratio', ratio });
    const id = Buffer.alloc(32, 'a');
    let sampled = 0;
    for (let i = 0; i < draws; i += 1) {
      for (let place = 18; place < 32; place += 1) {
        id[place] = '0123456789abcdef'.charCodeAt(Math.floor(random.next().value * 16));
      }
      if (sampler.decide(undefined, id, 0)) sampled += 1;
    }
    const deviation = Math.sqrt(draws * ratio * (1 - ratio));
    expect(Math.abs(sampled - draws * ratio)).toBeLessThan(5 * deviation);
  });
});

test('what a hop with a small ratio samples, one with a larger ratio samples too', () => {
  const random = randomNumbers(7);
  const few = new Sampler({ name: 'probability', ratio: 0.1 });
  const more = new Sampler({ name: 'probability', ratio: 0.3 });
  for (let i = 0; i < 20_000; i += 1) {
    const randomness = Array.from({ length: 14 }, () =>
      Math.floor(random.next().value * 16).toString(16),
    ).join('');
    const first = few.decide(undefined, idWith(randomness), 0);
    const upstream = first ? parseOtelTracestate(`th:${few.threshold?.th}`) : undefined;
    const second = more.decide(first, idWith(randomness), 0, upstream);
    if (first) expect(second).toBe(true);
  }
});
