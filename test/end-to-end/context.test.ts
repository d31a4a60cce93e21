import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../agent-process.ts';
import { JaegerService, startXrayService } from '../remote-sampling/services.ts';
import { blockWith } from '../shipped/readme.ts';
import { Chain, serverTimingTraceId, trustByPath } from './chain.ts';
import {
  type Exchange,
  type HeaderFields,
  HeaderServer,
  sendHttp1,
  sendHttp2,
  valuesOf,
} from './header-server.ts';
import { patientChecks, patientEngine } from './patient-engine.ts';
import { runCommand } from './runtime-api.ts';

/** Trace context, trust and sampling through the real HAProxy, by what the server behind it gets. */
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const PARENT_ID = 'b7ad6b7169203331';
const SAMPLED = `00-${TRACE_ID}-${PARENT_ID}-01`;
/** Milliseconds. */
const SLOWER_THAN = 100;
const W3C_SAMPLED: HeaderFields = [['traceparent', SAMPLED]];

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-context-'));
const stats = join(folder, 'stats.sock');
const ratios = join(folder, 'ratios.map');

const patient = patientEngine(folder);

let chain: Chain;
let server: HeaderServer;
beforeAll(async () => {
  writeFileSync(ratios, '/route/none 0\n/route/all 1\n/route/bad much\n');
  server = await HeaderServer.start();
  chain = await Chain.start({
    agentEnv: {
      HAPROXY_OTEL_BAGGAGE_KEYS: 'tenant,user.id',
      HAPROXY_OTEL_KEEP_ERRORS: 'true',
      HAPROXY_OTEL_KEEP_SLOWER_THAN: String(SLOWER_THAN),
    },
    add: { engine: patient, propagators: 'b3,jaeger,xray' },
    editConfig: patientChecks,
    site: (config, ports) =>
      trustByPath(config)
        .replace(
          'global\n',
          `global\n    stats socket ${stats} mode 600 level admin\n${blockWith('haproxy', 'setenv OTEL_B3 on')}`,
        )
        .replace(/# (setenv OTEL_ATTRIBUTES 'baggage)/, '$1')
        .replace(/# (http-request set-var\(txn.otel.baggage\))/, '$1')
        .replace(/# (tcp-request content set-var\(txn.otel.ratio\))/g, '$1')
        .replace('/etc/haproxy/otel-ratios.map', ratios)
        .replace(
          '    http-request deny',
          `${blockWith('haproxy', 'set-header b3')}${blockWith('haproxy', 'traceresponse')}    http-request deny`,
        )
        .replaceAll(
          `server app1 127.0.0.1:${ports.server}`,
          `server app1 127.0.0.1:${server.port}`,
        ),
  });
});
afterAll(async () => {
  await chain.stop();
  server.stop();
  rmSync(folder, { recursive: true });
});

type Send = (path: string, fields: HeaderFields) => Promise<Exchange>;
const PROTOCOLS: readonly (readonly [string, Send])[] = [
  ['HTTP/1.1', (path, fields) => sendHttp1(chain.ports.http, path, fields)],
  ['HTTP/2', (path, fields) => sendHttp2(chain.ports.h2, path, fields)],
];
const send: Send = (path, fields) => sendHttp1(chain.ports.http, path, fields);

/** The one traceparent that the server got, in parts. */
function upstream(exchange: Exchange): { traceId: string; spanId: string; flags: string } {
  const values = valuesOf(exchange, 'traceparent');
  expect(values).toHaveLength(1);
  const [value = ''] = values;
  expect(value).toMatch(/^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]$/);
  const [, traceId = '', spanId = '', flags = ''] = value.split('-');
  return { traceId, spanId, flags };
}

const traceparent = (value: string): HeaderFields => [['traceparent', value]];
const T = 'abcdef0123456789abcdef0123456789';
const P = 'fedcba9876543210';

describe.each(PROTOCOLS)('traceparent over %s', (_protocol, send) => {
  test.each([
    ['3.2.2.1 version 00', traceparent(`00-${T}-${P}-01`), '01'],
    ['3.2.2.5 not sampled', traceparent(`00-${T}-${P}-00`), '00'],
    ['3.2.2.5.2 random', traceparent(`00-${T}-${P}-03`), '03'],
    ['3.2.2.5.3 other flags are sent as zero', traceparent(`00-${T}-${P}-fd`), '01'],
    ['3.2.4 a future version', traceparent(`cc-${T}-${P}-01`), '01'],
    ['3.2.4 a future version with more', traceparent(`cc-${T}-${P}-01-what-ever`), '01'],
    ['3.2.1 the name in upper case', [['TRACEPARENT', `00-${T}-${P}-01`]] as HeaderFields, '01'],
    ['RFC 9110, 5.5: white space around it', traceparent(` \t 00-${T}-${P}-01 \t`), '01'],
  ])('%s: continued', async (_name, fields, flags) => {
    const exchange = await send('/continue', fields);
    expect(upstream(exchange)).toMatchObject({ traceId: T, flags });
    expect(upstream(exchange).spanId).not.toBe(P);
    expect(serverTimingTraceId(exchange.response['server-timing'])).toBe(T);
  });

  test.each([
    ['3.2.2.1 version ff', traceparent(`ff-${T}-${P}-01`)],
    ['3.2.2.1 no version', traceparent(`${T}-${P}-01`)],
    ['3.2.2.1 a version of one digit', traceparent(`0-${T}-${P}-01`)],
    ['3.2.2.1 a version of three digits', traceparent(`000-${T}-${P}-01`)],
    ['3.2.2.1 a version in upper case', traceparent(`0A-${T}-${P}-01`)],
    ['3.2.2.2 more behind version 00', traceparent(`00-${T}-${P}-01-more`)],
    ['3.2.2.2 a dash behind version 00', traceparent(`00-${T}-${P}-01-`)],
    ['3.2.4 a future version with more but no dash', traceparent(`cc-${T}-${P}-01more`)],
    ['3.2.2.3 a zero trace id', traceparent(`00-${'0'.repeat(32)}-${P}-01`)],
    ['3.2.2.3 a trace id in upper case', traceparent(`00-${T.toUpperCase()}-${P}-01`)],
    ['3.2.2.3 a trace id with a dot', traceparent(`00-.${T.slice(1)}-${P}-01`)],
    ['3.2.2.3 a short trace id', traceparent(`00-${T.slice(1)}-${P}-01`)],
    ['3.2.2.3 a long trace id', traceparent(`00-${T}0-${P}-01`)],
    ['3.2.2.4 a zero parent id', traceparent(`00-${T}-${'0'.repeat(16)}-01`)],
    ['3.2.2.4 a parent id in upper case', traceparent(`00-${T}-${P.toUpperCase()}-01`)],
    ['3.2.2.4 a short parent id', traceparent(`00-${T}-${P.slice(1)}-01`)],
    ['3.2.2.4 a long parent id', traceparent(`00-${T}-${P}0-01`)],
    ['3.2.2.5 flags of one digit', traceparent(`00-${T}-${P}-1`)],
    ['3.2.2.5 flags of three digits', traceparent(`00-${T}-${P}-001`)],
    ['3.2.2.5 flags with a dot', traceparent(`00-${T}-${P}-.1`)],
    ['nothing in it', traceparent('')],
    ['twice the same', [...traceparent(`00-${T}-${P}-01`), ...traceparent(`00-${T}-${P}-01`)]],
    ['twice, the first invalid', [...traceparent('no'), ...traceparent(`00-${T}-${P}-01`)]],
    ['twice in one', traceparent(`00-${T}-${P}-01,00-${T}-${P}-01`)],
  ] as readonly (readonly [string, HeaderFields])[])('%s: a new trace', async (_name, fields) => {
    const exchange = await send('/new', [...fields, ['tracestate', 'a=1']]);
    expect(upstream(exchange).traceId).not.toBe(T);
    expect(upstream(exchange).flags).toBe('03');
    expect(valuesOf(exchange, 'tracestate')).toEqual([]);
  });
});

const tracestates = (...values: string[]): HeaderFields =>
  values.map((value) => ['tracestate', value]);
const manyMembers = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `k${String(i).padStart(2, '0')}=v`);
const filled = (name: string, length: number): string =>
  `${name}=${'x'.repeat(length - name.length - 1)}`;

describe.each(PROTOCOLS)('tracestate over %s', (_protocol, send) => {
  test.each([
    ['3.3.1 as it came', ['a=1, b=2 ,c=3'], ['a=1, b=2 ,c=3']],
    ['3.3.1 header fields joined in order', ['a=1', 'b=2,c=3', 'd=4'], ['a=1,b=2,c=3,d=4']],
    ['3.3.1.1 empty members', ['a=1,,b=2', '', 'c=3'], ['a=1,,b=2,,c=3']],
    ['3.3.1.1 nothing but empty members', [',', ' '], []],
    ['3.3.1.1 32 members', [manyMembers(32).join(',')], [manyMembers(32).join(',')]],
    ['3.3.1.1 33 members', [manyMembers(33).join(',')], []],
    ['3.3.1.3.1 a tenant key', ['0t@sys=1'], ['0t@sys=1']],
    [
      '3.3.1.3.1 a key of 256 characters',
      [filled('k'.repeat(256), 258)],
      [filled('k'.repeat(256), 258)],
    ],
    ['3.3.1.3.1 a key of 257 characters', [filled('k'.repeat(257), 259)], []],
    ['3.3.1.3.1 a key in upper case', ['a=1,B=2'], []],
    ['3.3.1.3.2 a value of 256 characters', [filled('k', 258)], [filled('k', 258)]],
    ['3.3.1.3.2 a value of 257 characters', [filled('k', 259)], []],
    ['3.3.1.3.2 an empty value', ['a='], []],
    ['3.3.1.3.2 an equals sign in a value', ['a=1=2'], []],
    ['3.3.1.3 a duplicate key: the newest stays', ['a=1,b=2', 'a=3'], ['a=1,b=2']],
    [
      '3.3.1.5 512 characters are propagated',
      [[filled('a', 128), filled('b', 128), filled('c', 128), filled('d', 125)].join(',')],
      [[filled('a', 128), filled('b', 128), filled('c', 128), filled('d', 125)].join(',')],
    ],
    [
      '3.3.1.5 members over 128 characters go first',
      [
        filled('long', 129),
        [filled('a', 128), filled('b', 128), filled('c', 128), filled('d', 100)].join(','),
      ],
      [[filled('a', 128), filled('b', 128), filled('c', 128), filled('d', 100)].join(',')],
    ],
    [
      '3.3.1.5 then whole ones from the end',
      [['a', 'b', 'c', 'd', 'e'].map((name) => filled(name, 120)).join(',')],
      [['a', 'b', 'c', 'd'].map((name) => filled(name, 120)).join(',')],
    ],
    [
      'eight header fields',
      'abcdefgh'.split('').map((key) => `${key}=1`),
      ['a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1'],
    ],
    [
      'more: a part does not pass for the whole',
      'abcdefghi'.split('').map((key) => `${key}=1`),
      [],
    ],
  ])('%s', async (_name, given, expected) => {
    const exchange = await send('/state', [...W3C_SAMPLED, ...tracestates(...given)]);
    expect(upstream(exchange).traceId).toBe(TRACE_ID);
    expect(valuesOf(exchange, 'tracestate')).toEqual(expected);
  });
});

describe.each(PROTOCOLS)('trust over %s', (_protocol, send) => {
  const all: HeaderFields = [
    ...W3C_SAMPLED,
    ['tracestate', 'a=1'],
    ['baggage', 'tenant=x'],
    ['b3', `${TRACE_ID}-${PARENT_ID}-d`],
    ['jaeger-debug-id', TRACE_ID],
    ['jaeger-baggage', `k1=${TRACE_ID}`],
    ['uberctx-key', TRACE_ID],
  ];

  // A word that nobody knows distrusts.
  test.each(['restart', 'ignore', 'retsart'])(
    '%s: nothing of the caller goes upstream',
    async (trust) => {
      const exchange = await send(`/trust/${trust}`, all);
      expect(upstream(exchange)).toMatchObject({ flags: '03' });
      expect(JSON.stringify(exchange.upstream)).not.toContain(TRACE_ID);
      expect(valuesOf(exchange, 'tracestate')).toEqual([]);
      expect(valuesOf(exchange, 'baggage')).toEqual([]);
    },
  );

  test('restart links the SERVER span to the caller, ignore does not', async () => {
    const restarted = upstream(await send('/trust/restart', all));
    const linked = await chain.hop(restarted.traceId);
    expect(linked.server.links).toEqual([{ traceId: TRACE_ID, spanId: PARENT_ID, flags: 0x301 }]);
    expect(linked.server.parentSpanId).toBe('');
    expect(linked.client?.links).toEqual([]);
    const ignored = upstream(await send('/trust/ignore', all));
    expect((await chain.hop(ignored.traceId)).server.links).toEqual([]);
  });

  test('restart resists forced sampling, in every format', async () => {
    const forced: HeaderFields[] = [
      W3C_SAMPLED,
      [['b3', `${TRACE_ID}-${PARENT_ID}-d`]],
      [['b3', '1']],
      [['x-b3-flags', '1']],
      [['uber-trace-id', `${TRACE_ID}:${PARENT_ID}:0:3`]],
      [
        [
          'x-amzn-trace-id',
          `Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=${PARENT_ID};Sampled=1`,
        ],
      ],
    ];
    // No new trace of a .css is sampled.
    for (const fields of forced) {
      expect(upstream(await send('/trust/continue/a.css', fields)).flags).toMatch(/^0[13]$/);
      expect(upstream(await send('/trust/restart/a.css', fields)).flags).toBe('02');
    }
  });

  test('continue passes baggage on untouched', async () => {
    const value = 'tenant = x;prop=1 , user.id=a%20b';
    const exchange = await send('/baggage', [...W3C_SAMPLED, ['baggage', value]]);
    expect(valuesOf(exchange, 'baggage')).toEqual([value]);
  });
});

test('members of the baggage that are named become attributes', async () => {
  const exchange = await send('/baggage', [
    ['baggage', 'tenant=acme;prop=1,secret="x\\,user.id=a%20b'],
  ]);
  const { server, client } = await chain.hop(upstream(exchange).traceId);
  expect(server.attributes).toMatchObject({ tenant: 'acme', 'user.id': 'a b' });
  expect(server.attributes).not.toHaveProperty('secret');
  expect(client?.attributes).not.toHaveProperty('tenant');
});

describe('other formats are read, and written as one', () => {
  const B3_PARTS = { traceId: TRACE_ID, spanId: PARENT_ID };
  test.each([
    ['b3', [['b3', `${TRACE_ID}-${PARENT_ID}-1`]], '01'],
    ['b3, not sampled', [['b3', `${TRACE_ID}-${PARENT_ID}-0`]], '00'],
    [
      'b3multi',
      [
        ['X-B3-TraceId', B3_PARTS.traceId],
        ['X-B3-SpanId', B3_PARTS.spanId],
        ['X-B3-Sampled', '1'],
      ],
      '01',
    ],
    ['jaeger', [['uber-trace-id', `${TRACE_ID}:${PARENT_ID}:0:1`]], '01'],
    [
      'xray',
      [
        [
          'X-Amzn-Trace-Id',
          `Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=${PARENT_ID};Sampled=1`,
        ],
      ],
      '01',
    ],
  ] as readonly (readonly [string, HeaderFields, string])[])('%s', async (_name, fields, flags) => {
    const exchange = await send('/formats', fields);
    const { traceId, spanId, flags: told } = upstream(exchange);
    expect([traceId, told]).toEqual([TRACE_ID, flags]);
    const sampled = flags === '01' ? '1' : '0';
    expect(valuesOf(exchange, 'b3')).toEqual([`${traceId}-${spanId}-${sampled}`]);
    expect(valuesOf(exchange, 'x-b3-traceid')).toEqual([traceId]);
    expect(valuesOf(exchange, 'x-b3-spanid')).toEqual([spanId]);
    expect(valuesOf(exchange, 'x-b3-sampled')).toEqual([sampled]);
    expect(valuesOf(exchange, 'x-b3-flags')).toEqual([]);
    expect(valuesOf(exchange, 'uber-trace-id')).toEqual([`${traceId}:${spanId}:0:${sampled}`]);
    expect(valuesOf(exchange, 'x-amzn-trace-id')).toEqual([
      `Root=1-${traceId.slice(0, 8)}-${traceId.slice(8)};Parent=${spanId};Sampled=${sampled}`,
    ]);
    if (flags === '01') expect((await chain.hop(TRACE_ID)).server.parentSpanId).toBe(PARENT_ID);
  });

  test('64 bits, and a debug flag that is passed on', async () => {
    const exchange = await send('/formats', [['b3', `a3ce929d0e0e4736-${PARENT_ID}-d`]]);
    const { traceId, spanId, flags } = upstream(exchange);
    expect([traceId, flags]).toEqual(['0000000000000000a3ce929d0e0e4736', '01']);
    expect(valuesOf(exchange, 'b3')).toEqual([`${traceId}-${spanId}-d`]);
    expect(valuesOf(exchange, 'x-b3-flags')).toEqual(['1']);
    expect(valuesOf(exchange, 'x-b3-sampled')).toEqual([]);
    expect(valuesOf(exchange, 'uber-trace-id')).toEqual([`${traceId}:${spanId}:0:3`]);
  });

  test('b3: 0 alone starts a trace that is not sampled', async () => {
    const exchange = await send('/formats', [['b3', '0']]);
    expect(upstream(exchange).flags).toBe('02');
    expect(valuesOf(exchange, 'b3')[0]).toMatch(/-0$/);
  });

  test('two of them twice: the first valid wins, and nothing of the other is left', async () => {
    const other = 'c'.repeat(32);
    const exchange = await send('/formats', [
      ['b3', `${other}-${PARENT_ID}-1`],
      ['x-b3-traceid', other],
      ['x-b3-parentspanid', PARENT_ID],
      ['traceparent', SAMPLED],
    ]);
    expect(upstream(exchange).traceId).toBe(TRACE_ID);
    expect(JSON.stringify(exchange.upstream)).not.toContain(other);
    expect(valuesOf(exchange, 'x-b3-parentspanid')).toEqual([]);
    const twice = await send('/formats', [
      ['b3', `${other}-${PARENT_ID}-1`],
      ['b3', `${other}-${PARENT_ID}-0`],
    ]);
    expect(upstream(twice).traceId).not.toBe(other);
  });

  test('the client gets traceresponse', async () => {
    const { response } = await send('/formats', []);
    expect(response.traceresponse).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-03$/);
    expect(response['server-timing']).toBe(`trace;desc=${response.traceresponse}`);
  });
});

describe('the ratio of a route', () => {
  const flagsOf = async (path: string): Promise<string> => upstream(await send(path, [])).flags;

  test('from an ACL', async () => {
    expect(await flagsOf('/healthz')).toBe('02');
    expect(await flagsOf('/style.css')).toBe('02');
    expect(upstream(await send('/healthz', W3C_SAMPLED)).flags).toBe('01');
  });

  test('from a map, changed without a reload', async () => {
    expect(await flagsOf('/route/all/x')).toBe('03');
    expect(await flagsOf('/route/none/x')).toBe('02');
    await runCommand(stats, `set map ${ratios} /route/all 0`);
    await runCommand(stats, `set map ${ratios} /route/none 1`);
    expect(await flagsOf('/route/all/x')).toBe('02');
    expect(await flagsOf('/route/none/x')).toBe('03');
    expect(await flagsOf('/elsewhere')).toBe('03');
  });

  test('one that is no number is logged once, and is none', async () => {
    expect(await flagsOf('/route/bad/x')).toBe('03');
    expect(await flagsOf('/route/bad/x')).toBe('03');
    const told = await until('the warning', () => {
      const lines = chain.agent.logs.filter(({ ratio }) => ratio === 'much');
      return lines.length > 0 && lines;
    });
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({ level: 'warn', accepts: 'a number from 0 to 1' });
  });
});

describe('with an agent that samples', () => {
  let sampling: Chain;
  afterEach(() => sampling.stop());

  const started = async (count: number): Promise<Exchange[]> => {
    const exchanges: Exchange[] = [];
    for (let i = 0; i < count; i += 1) {
      exchanges.push(await sendHttp1(sampling.ports.http, `/${i}`, []));
    }
    return exchanges;
  };
  const start = async (agentEnv: Record<string, string>, ...lines: string[]): Promise<void> => {
    sampling = await Chain.start({
      agentEnv,
      add: { engine: patient },
      editConfig: patientChecks,
      site: (config, ports) =>
        config
          .replaceAll(
            `server app1 127.0.0.1:${ports.server}`,
            `server app1 127.0.0.1:${server.port}`,
          )
          .replace('global\n', `global\n${blockWith('haproxy', 'setenv OTEL_REMOTE_SAMPLING')}`)
          .replace(
            'frontend www\n',
            (head) => `${head}${lines.map((line) => `${line}\n`).join('')}`,
          ),
    });
  };

  test('a share of traces, and writes the threshold', async () => {
    await start({ OTEL_TRACES_SAMPLER: 'parentbased_probability', OTEL_TRACES_SAMPLER_ARG: '0.5' });
    const exchanges = await started(400);
    const kept = exchanges.filter((each) => upstream(each).flags === '03');
    // Five standard deviations of a binomial distribution with 400 draws.
    expect(Math.abs(kept.length - 200)).toBeLessThan(50);
    for (const each of exchanges) {
      const { traceId, flags } = upstream(each);
      expect(traceId.slice(18) >= '8').toBe(flags === '03');
      expect(valuesOf(each, 'tracestate')).toEqual(flags === '03' ? ['ot=th:8'] : []);
    }
    const [first] = kept;
    const { server: span } = await sampling.hop(first === undefined ? '' : upstream(first).traceId);
    expect(span.traceState).toBe('ot=th:8');
  });

  test("Jaeger's strategy, by operation", async () => {
    const jaeger = await JaegerService.start({
      operationSampling: {
        defaultSamplingProbability: 0,
        perOperationStrategies: [
          { operation: 'GET /kept', probabilisticSampling: { samplingRate: 1 } },
        ],
      },
    });
    try {
      await start(
        {
          OTEL_TRACES_SAMPLER: 'parentbased_jaeger_remote',
          OTEL_TRACES_SAMPLER_ARG: `endpoint=${jaeger.endpoint},initialSamplingRate=0`,
        },
        'tcp-request content set-var(txn.otel.route) str(/kept) if { path_beg /kept/ }',
      );
      const flags = async (path: string): Promise<string> =>
        upstream(await sendHttp1(sampling.ports.http, path, [])).flags;
      // Without an agent that it reaches, HAProxy keeps all.
      await until('the agent to answer', async () => (await flags('/other')) === '02');
      await until('its strategy', async () => (await flags('/kept/1')) === '03');
      expect(await flags('/other')).toBe('02');
      expect(jaeger.asked[0]).toBe('haproxy');
    } finally {
      jaeger.stop();
    }
  });

  test("X-Ray's rules, by method, host and path", async () => {
    const xray = await startXrayService([
      { HTTPMethod: 'GET', Host: 'www.example', URLPath: '/kept/*', FixedRate: 1 },
      {},
    ]);
    try {
      await start({
        OTEL_TRACES_SAMPLER: 'xray',
        OTEL_TRACES_SAMPLER_ARG: `endpoint=${xray.endpoint}`,
      });
      const flags = async (path: string): Promise<string> =>
        upstream(await sendHttp1(sampling.ports.http, path, [])).flags;
      await until('the agent to answer', async () => (await flags('/other')) === '02');
      await until('its rules', async () => (await flags(`/kept/${'1'.repeat(900)}`)) === '03');
      expect(await flags('/other')).toBe('02');
      expect(await flags('/kept')).toBe('02');
    } finally {
      xray.stop();
    }
  });

  test('so many traces a second, and no more', async () => {
    await start({ HAPROXY_OTEL_MAX_TRACES_PER_SECOND: '20' });
    const before = performance.now();
    const exchanges = await started(200);
    const seconds = (performance.now() - before) / 1000;
    const kept = exchanges.filter((each) => upstream(each).flags === '03').length;
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThanOrEqual(20 + Math.ceil(20 * seconds));
    const fields: HeaderFields = [['traceparent', SAMPLED]];
    expect(upstream(await sendHttp1(sampling.ports.http, '/', fields)).flags).toBe('01');
    await sampling.agent.end();
    const { requests } = sampling.agent.logged('stopped') as { requests: Record<string, number> };
    expect(requests.limited).toBe(200 - kept);
  });
});

describe('hops of traces that are not sampled', () => {
  const unsampled = (index: number): HeaderFields => [
    ['traceparent', `00-${String(index).padStart(32, 'd')}-${PARENT_ID}-00`],
  ];

  test('are exported where they failed, and marked', async () => {
    // HAProxy's own answer, which is no list of headers.
    await expect(send('/nowhere', unsampled(1))).rejects.toThrow('JSON');
    const { server } = await chain.hop(String(1).padStart(32, 'd'), false);
    expect(server).toMatchObject({ parentSpanId: PARENT_ID, flags: 0x300 });
    expect(server.attributes).toMatchObject({
      'haproxy.kept': 'error',
      'http.response.status_code': 503,
    });
  });

  test('are exported where they were slow, and marked', async () => {
    await send(`/slow-server?delay=${SLOWER_THAN + 50}`, unsampled(3));
    const { server, client } = await chain.hop(String(3).padStart(32, 'd'));
    expect(server.attributes['haproxy.kept']).toBe('slow');
    expect(client?.attributes['haproxy.kept']).toBe('slow');
  });

  test('have no line where HAProxy is configured so, but where it or a server failed them', async () => {
    const silent = await Chain.start({
      agentEnv: { HAPROXY_OTEL_KEEP_ERRORS: 'true' },
      editConfig: (config) =>
        config.replace(
          /^ *log-format "%B"/m,
          `${blockWith('haproxy', 'set-log-level silent if { var')}$&`,
        ),
    });
    try {
      const get = async (path: string, traceparent: string): Promise<number> =>
        (await silent.get(path, { headers: { traceparent } })).status;
      const one = (flags: string): string => `00-${'e'.repeat(32)}-${PARENT_ID}-${flags}`;
      expect(await get('/fine', one('00'))).toBe(200);
      expect(await get('/nowhere', one('00'))).toBe(503);
      expect(await get('/error', one('00'))).toBe(500);
      expect(await get('/later', SAMPLED)).toBe(200);
      await silent.hop(TRACE_ID);
      await silent.agent.end();
      const { records } = silent.agent.logged('stopped') as { records: Record<string, number> };
      expect(records).toMatchObject({ unsampled: 2, kept: 2, unusable: 0 });
    } finally {
      await silent.stop();
    }
  });

  test('are not where they did not', async () => {
    let last = 10;
    // On a busy machine one may be slow: the client waits no shorter than HAProxy.
    await until('an answer that is not slow', async () => {
      last += 1;
      const before = performance.now();
      await send('/fine', unsampled(last));
      return performance.now() - before < SLOWER_THAN;
    });
    const later = await send('/later', []);
    await chain.hop(upstream(later).traceId);
    const ids = chain.haproxySpans().map(({ traceId }) => traceId);
    expect(ids).not.toContain(String(last).padStart(32, 'd'));
  });
});
