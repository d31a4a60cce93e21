import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../src/demo/ports.ts';
import { verifyCommand } from '../../src/verify/command.ts';
import { Chain, trustByPath } from '../haproxy/chain.ts';

let chain: Chain;
beforeAll(async () => {
  chain = await Chain.start({ editConfig: (config) => trustByPath(config) });
}, 60_000);
afterAll(() => chain.stop());

type Step = { readonly name: string; readonly state: string; readonly text: string };
type Verified = {
  readonly exitCode: number;
  readonly traceId: string;
  /** By name: `state: text`. */
  readonly steps: Readonly<Record<string, string>>;
};

async function verify(url: string, admin: string, args: readonly string[] = []): Promise<Verified> {
  let output = '';
  const exitCode = await verifyCommand(['--json', '--admin', admin, ...args, url], {}, (text) => {
    output += text;
  });
  const { traceId, steps }: { traceId: string; steps: Step[] } = JSON.parse(output);
  const named = steps.map(({ name, state, text }) => [name, `${state}: ${text}`]);
  return { exitCode, traceId, steps: Object.fromEntries(named) };
}

const through = (path: string): string => `http://127.0.0.1:${chain.ports.http}${path}`;

describe('through the real HAProxy, whose agent has no admin listener', () => {
  test('a trace that is continued; what only the agent knows is not seen', async () => {
    const nobody = `127.0.0.1:${await freePort()}`;
    const { exitCode, traceId, steps } = await verify(through('/verify'), nobody);
    const { server, client } = await chain.hop(traceId);
    expect(server.attributes['user_agent.original']).toMatch(/^haproxy-otel-spoa-verify\//);
    expect(steps).toEqual({
      request: expect.stringMatching(/^ok: GET http.*\/verify answered 200 in \d+\.\d ms$/),
      trace: `ok: ${traceId} is continued; HAProxy's span is ${server.spanId}`,
      upstream: `ok: the server got trace ${traceId}, parent ${client?.spanId}`,
      agent: expect.stringMatching(
        `^unseen: the admin listener of the agent cannot be asked at ${nobody}: .*ECONNREFUSED`,
      ),
      record: 'unseen: for the same reason',
      export: 'unseen: for the same reason',
    });
    expect(exitCode).toBe(3);
  });

  test('a trace that is started anew', async () => {
    const { exitCode, traceId, steps } = await verify(through('/trust/restart'), 'off');
    expect(steps.trace).toContain(`ok: a new one, ${traceId}, in place of the one that was sent`);
    expect(steps.upstream).toContain(`ok: the server got trace ${traceId}, parent `);
    expect(steps.agent).toBe('unseen: the admin listener of the agent is off');
    expect(exitCode).toBe(3);
  });

  test('a request that no server gets', async () => {
    const { steps } = await verify(through('/nowhere'), 'off');
    expect(steps.request).toContain('answered 503');
    expect(steps.upstream).toMatch(/^skipped: the server does not show what it got/);
  });
});

test('past HAProxy the server gets what the client sent', async () => {
  const { exitCode, steps } = await verify(`http://127.0.0.1:${chain.ports.server}/`, 'off');
  expect(steps.trace).toMatch(/^unseen: the response says nothing of a trace/);
  expect(steps.upstream).toBe(
    'failed: the server got the traceparent of the client: HAProxy does not set its own',
  );
  expect(exitCode).toBe(1);
});

test('nobody answers', async () => {
  const url = `http://127.0.0.1:${await freePort()}/`;
  const { exitCode, steps } = await verify(url, 'off');
  expect(steps).toEqual({ request: expect.stringMatching(/^failed: .*ECONNREFUSED/) });
  expect(exitCode).toBe(1);
});

describe('what the agent says, played by a server that answers as its admin listener does', () => {
  let admin: Server | undefined;
  afterEach(() => {
    admin?.closeAllConnections();
    admin?.close();
  });

  type Moment = {
    readonly exported: number;
    readonly waiting?: number;
    readonly refused?: number;
    readonly hop?: { readonly mintedByHaproxy?: boolean };
    readonly exporter?: Readonly<Record<string, unknown>>;
  };

  /** Answers one moment a question, the last one from then on. */
  async function play(moments: readonly Moment[], status = 200): Promise<string> {
    const left = [...moments];
    admin = createServer((request, response) => {
      const moment = left.length > 1 ? left.shift() : left[0];
      const traceId = new URL(request.url ?? '', 'http://x').searchParams.get('trace');
      const hop = {
        traceId,
        spanId: '8c30a6d790d079cd',
        frontend: 'www',
        server: 'app1',
        phases: [
          { name: 'request', ms: 1 },
          { name: 'agent', ms: 0.231 },
        ],
        mintedByHaproxy: moment?.hop?.mintedByHaproxy ?? false,
      };
      response.statusCode = status;
      response.end(
        JSON.stringify({
          state: {
            exporter: {
              kind: 'otlp',
              target: 'http://collector:4317',
              state: 'working',
              ...moment?.exporter,
            },
            spans: {
              exported: moment?.exported,
              refused: moment?.refused ?? 0,
              dropped: 0,
              waiting: moment?.waiting ?? 0,
            },
          },
          hops: {
            errors: [],
            slow: [],
            latest: moment?.hop === undefined ? [] : [hop],
            frontends: [],
          },
        }),
      );
    });
    await new Promise<void>((resolve) => admin?.listen(0, '127.0.0.1', resolve));
    return `127.0.0.1:${(admin.address() as AddressInfo).port}`;
  }

  const before = { exported: 10 };

  test('all is well: exit code 0', async () => {
    const where = await play([
      before,
      before,
      { exported: 10, waiting: 4, hop: {} },
      { exported: 12, waiting: 2, hop: {} },
      { exported: 14, hop: {} },
    ]);
    const { exitCode, steps } = await verify(through('/well'), where);
    expect(steps).toMatchObject({
      agent: 'ok: answered after 231 us',
      record: 'ok: received from frontend www, server app1',
      export: 'ok: accepted by http://collector:4317',
    });
    expect(exitCode).toBe(0);
  });

  test('HAProxy stood in for the agent', async () => {
    const where = await play([before, { exported: 12, hop: { mintedByHaproxy: true } }]);
    const { exitCode, steps } = await verify(through('/away'), where);
    expect(steps.agent).toBe('failed: no answer after 231 us: HAProxy itself made the ids');
    expect(exitCode).toBe(1);
  });

  test('no record', async () => {
    const where = await play([before]);
    const { exitCode, steps } = await verify(through('/no-record'), where, ['--wait', '1']);
    expect(steps.record).toMatch(/^failed: no record of this trace in 1 s/);
    expect(exitCode).toBe(1);
  });

  test('the receiver refuses', async () => {
    const reason = 'UNAUTHENTICATED: no token';
    const where = await play([
      before,
      { exported: 10, waiting: 2, hop: {} },
      { exported: 10, refused: 2, hop: {}, exporter: { state: 'failing', reason } },
    ]);
    const { exitCode, steps } = await verify(through('/refused-spans'), where);
    expect(steps.export).toBe(`failed: 2 spans were refused or dropped meanwhile: ${reason}`);
    expect(exitCode).toBe(1);
  });

  test('the receiver is away', async () => {
    const exporter = { state: 'failing', reason: 'UNAVAILABLE' };
    const where = await play([before, { exported: 10, waiting: 2, hop: {}, exporter }]);
    const { steps } = await verify(through('/receiver-away'), where, ['--wait', '1']);
    expect(steps.export).toBe(
      'failed: not accepted in time: http://collector:4317 fails: UNAVAILABLE',
    );
  });

  test('nothing is exported by intent', async () => {
    const where = await play([before, { exported: 0, hop: {}, exporter: { kind: 'none' } }]);
    expect((await verify(through('/none'), where)).steps.export).toBe(
      'skipped: the exporter is "none"',
    );
  });

  test('a token is wanted', async () => {
    const { exitCode, steps } = await verify(through('/token'), await play([before], 401));
    expect(steps.agent).toContain('it wants a token: HAPROXY_OTEL_ADMIN_TOKEN_FILE is needed');
    expect(exitCode).toBe(3);
  });
});

test.each([
  [[], 'a URL is needed, as http://127.0.0.1:8080/'],
  [['127.0.0.1:8080'], '"127.0.0.1:8080" is no URL: http://… or https://… is accepted'],
  [['http://a/', '--wait', 'long'], '--wait is "long": a whole number from 1 to 3600 is accepted'],
  [['http://a/', 'http://b/'], 'unexpected argument "http://b/"'],
])('refuses %o', async (args, message) => {
  await expect(verifyCommand(args, {}, () => {})).rejects.toThrow(message);
});
