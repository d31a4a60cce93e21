import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../src/demo/ports.ts';
import { verifyCommand } from '../../src/verify/command.ts';
import { requestFault } from '../../src/verify/fault.ts';
import { until } from '../agent-process.ts';
import { Chain, type ChainOptions, trustByPath } from '../end-to-end/chain.ts';
import { patientEngine } from '../end-to-end/patient-engine.ts';
import { createAuthority } from '../telemetry/authority.ts';

let chain: Chain;
beforeAll(async () => {
  chain = await Chain.start({ site: trustByPath });
});
afterAll(() => chain.stop());

type Step = { readonly name: string; readonly state: string; readonly text: string };
type Verified = {
  readonly exitCode: number;
  readonly traceId: string;
  /** By name: `state: text`. */
  readonly steps: Readonly<Record<string, string>>;
};

async function verify(
  url: string,
  admin: string,
  args: readonly string[] = [],
  spop: readonly string[] = ['--spop', `127.0.0.1:${chain.ports.spop}`],
): Promise<Verified> {
  let output = '';
  const all = ['--json', '--admin', admin, ...spop, ...args, url];
  const exitCode = await verifyCommand(all, {}, (text) => {
    output += text;
  });
  const { traceId, steps }: { traceId: string; steps: Step[] } = JSON.parse(output);
  const named = steps.map(({ name, state, text }) => [name, `${state}: ${text}`]);
  return { exitCode, traceId, steps: Object.fromEntries(named) };
}

const AGENT_WITHOUT_HOP = '{"state":{"exporter":{},"spans":{}},"hops":{}}';

/** @returns the address of a server that answers the same to every request, until the test has ended */
async function serve(
  answer: string,
  onRequest: (request: IncomingMessage) => void = () => {},
): Promise<string> {
  const server = createServer((request, response) => {
    onRequest(request);
    response.end(answer);
  });
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
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
      spop: `ok: the agent answers at 127.0.0.1:${chain.ports.spop}`,
      agent: expect.stringMatching(
        `^unseen: the admin listener of the agent cannot be asked at ${nobody}: nothing listens there \\(ECONNREFUSED\\); .*--admin`,
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
  expect(steps.trace).toMatch(/^unseen: neither the response nor a record has it/);
  expect(steps.upstream).toBe(
    'failed: the server got the traceparent of the client: HAProxy does not set its own',
  );
  expect(exitCode).toBe(1);
});

test("the admin listener is that of the agent's settings, and the file is named", async () => {
  const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-verify-'));
  const config = join(folder, 'settings.env');
  writeFileSync(config, 'HAPROXY_OTEL_ADMIN=off\n');
  let output = '';
  const write = (text: string): void => {
    output += text;
  };
  await verifyCommand(['--config', config, through('/settings')], {}, write);
  rmSync(folder, { recursive: true });
  expect(output).toMatch(`settings of the agent: ${config}\n\nrequest `);
  expect(output).toContain('the admin listener of the agent is off');
});

test('the agent is asked for the trace before the request is sent', async () => {
  const seen: string[] = [];
  const see =
    (name: string) =>
    ({ url, headers }: IncomingMessage): void => {
      const trace =
        /trace=([0-9a-f]{32})/.exec(url ?? '') ?? /00-(\w{32})/.exec(`${headers.traceparent}`);
      seen.push(`${name} ${trace?.[1]}`);
    };
  const admin = await serve(AGENT_WITHOUT_HOP, see('agent'));
  const url = await serve('hello', see('server'));
  const { traceId } = await verify(`http://${url}/`, admin, ['--wait', '1']);
  expect(seen.slice(0, 3)).toEqual([`agent ${traceId}`, `server ${traceId}`, `agent ${traceId}`]);
});

test('a trace that HAProxy starts and does not sample, as with "add --ratio", has no record', async () => {
  const started = ['a'.repeat(32), 'b'.repeat(16)];
  const admin = await serve(AGENT_WITHOUT_HOP);
  const url = await serve(JSON.stringify({ traceparent: `00-${started.join('-')}-02` }));
  const { exitCode, steps } = await verify(`http://${url}/`, admin);
  expect(steps.trace).toContain(`ok: a new one, ${started[0]}, in place of the one that was sent`);
  expect(steps.record).toBe('unseen: for the same reason');
  expect(steps.agent).toBe('unseen: the trace is not sampled, and nothing of it is kept');
  expect(exitCode).toBe(3);
});

test('an agent that does not accept the host name of the request: the setting is named', async () => {
  const server = createServer((_request, response) => response.writeHead(421).end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const { exitCode, steps } = await verify(through('/verify'), `127.0.0.1:${port}`);
  server.close();
  expect(steps.agent).toMatch(/^unseen: .*HAPROXY_OTEL_ADMIN_HOSTS/);
  expect(exitCode).toBe(3);
});

describe('the agent itself', () => {
  const dead = (address: string): RegExp =>
    new RegExp(`^failed: no agent answers at ${address} \\(HAPROXY_OTEL_SPOP\\): .*systemctl`);

  test('is dead: HAProxy continues the trace, and that is not enough', async () => {
    const own = await Chain.start();
    onTestFinished(() => own.stop());
    await own.agent.end();
    const address = `127.0.0.1:${own.ports.spop}`;
    const url = `http://127.0.0.1:${own.ports.http}/dead`;
    const { exitCode, steps } = await verify(url, 'off', [], ['--spop', address]);
    expect(steps.trace).toMatch(/^ok: .* is continued/);
    expect(steps.spop).toMatch(dead(address));
    expect(steps.spop).toContain('nothing listens there (ECONNREFUSED)');
    expect(exitCode).toBe(1);
  });

  test('hangs, speaks something else, or closes', async () => {
    for (const [answer, reason] of [
      ['HTTP/1.1 400 Bad Request\r\n\r\n', /frame/],
      ['', 'it closes the connection without an answer'],
    ] as const) {
      const server = createTcpServer((socket) => socket.end(answer));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as { port: number };
      const spop = ['--spop', `127.0.0.1:${port}`];
      const { exitCode, steps } = await verify(through('/verify'), 'off', [], spop);
      server.close();
      expect(steps.spop).toMatch(dead(`127.0.0.1:${port}`));
      expect(steps.spop).toMatch(reason);
      expect(exitCode).toBe(1);
    }
  });

  test('is on a unix socket that is not there', async () => {
    const spop = ['--spop', 'unix:/nowhere/spop.sock'];
    const { exitCode, steps } = await verify(through('/verify'), 'off', [], spop);
    expect(steps.spop).toMatch(dead('unix:/nowhere/spop.sock'));
    expect(exitCode).toBe(1);
  });

  test('has its socket from elsewhere', async () => {
    const { exitCode, steps } = await verify(through('/verify'), 'off', [], ['--spop', 'fd:3']);
    expect(steps.spop).toBe('unseen: fd:3 says nothing to another process: see --spop');
    expect(exitCode).toBe(3);
  });
});

describe('a request without a response: exit code 2, and what to do', () => {
  test('nobody answers', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const { exitCode, steps } = await verify(`${url}/`, 'off');
    const text = 'nothing listens there (ECONNREFUSED): start HAProxy, or correct the URL';
    expect(steps).toEqual({ request: `failed: ${url}: ${text}` });
    expect(exitCode).toBe(2);
  });

  test('HAProxy has no TLS there', async () => {
    const url = `https://127.0.0.1:${chain.ports.http}`;
    const { exitCode, steps } = await verify(`${url}/`, 'off');
    expect(steps.request).toMatch(/: it does not speak TLS \([A-Z_]+\): http:\/\/ asks without$/);
    expect(exitCode).toBe(2);
  });

  test('its certificate is of an authority of its own', async () => {
    const { issue } = await createAuthority();
    const { cert, private: key } = await issue('haproxy');
    const server = createTlsServer({ cert, key }, (_request, response) => response.end('hello'));
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `https://localhost:${(server.address() as { port: number }).port}`;
    const { exitCode, steps } = await verify(url, 'off', ['--host', 'localhost']);
    expect(steps.request).toBe(
      `failed: ${url}: its certificate is of no authority that is trusted here (UNABLE_TO_VERIFY_LEAF_SIGNATURE): NODE_EXTRA_CA_CERTS=FILE adds one, --insecure accepts any`,
    );
    expect(exitCode).toBe(2);
    expect((await verify(url, 'off', ['--insecure'])).steps.request).toMatch(/^ok: /);
  });

  test('what is on its port does not speak HTTP', async () => {
    const server = createTcpServer((socket) => socket.end('220 mail\r\n'));
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const { exitCode, steps } = await verify(`http://127.0.0.1:${port}/`, 'off');
    expect(steps.request).toMatch(/: it does not speak HTTP\/1\.1 \(HPE_\w+\): a frontend of mode/);
    expect(exitCode).toBe(2);
  });

  test.each([
    ['ENOTFOUND', 'its name has no address here (ENOTFOUND): correct the URL'],
    ['ETIMEDOUT', 'it cannot be reached (ETIMEDOUT): correct the URL'],
    ['ECONNRESET', 'it closes the connection without an answer (ECONNRESET): https:// asks'],
    ['CERT_HAS_EXPIRED', 'its certificate is not valid (CERT_HAS_EXPIRED): renew it'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'its certificate is not for shop.example (ERR_TLS_CERT_'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'it asks for a certificate, and verify has'],
    ['ERR_SSL_TLSV1_UNRECOGNIZED_NAME', 'it refuses TLS for shop.example (ERR_SSL_TLSV1_'],
    ['EOTHER', 'raw text'],
  ])('%s', (code, text) => {
    const error = Object.assign(new Error('raw text'), { code });
    const fault = requestFault(new URL('https://user:secret@lb:8443/path'), 'shop.example', error);
    expect(fault).toMatch(`https://lb:8443: ${text}`);
  });
});

test('a frontend of mode tcp passes the request as it is', async () => {
  const admin = await serve(AGENT_WITHOUT_HOP);
  const url = `http://127.0.0.1:${chain.ports.tcp}/`;
  const { exitCode, steps } = await verify(url, admin, ['--wait', '1']);
  expect(steps.trace).toMatch(/^unseen: .* \(one of mode tcp has no requests\)/);
  expect(steps.upstream).toMatch(/^failed: the server got the traceparent of the client/);
  expect(steps.record).toMatch(
    /^failed: .* looks at whether the frontend is traced, and of mode http/,
  );
  expect(exitCode).toBe(1);
});

describe('with the admin listener of the agent', () => {
  let own: Chain | undefined;
  const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-verify-'));
  afterEach(async () => {
    await own?.stop();
    own = undefined;
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Verifies a path through a chain of its own. */
  async function verifyWith(
    options: ChainOptions,
    args: readonly string[] = [],
    before: (chain: Chain) => unknown = () => {},
  ): Promise<Verified> {
    const admin = `127.0.0.1:${await freePort()}`;
    own = await Chain.start({
      ...options,
      agentEnv: { HAPROXY_OTEL_ADMIN: admin, ...options.agentEnv },
      add: { engine: patientEngine(folder), ...options.add },
    });
    await before(own);
    const spop = ['--spop', `127.0.0.1:${own.ports.spop}`];
    return verify(`http://127.0.0.1:${own.ports.http}/verify`, admin, args, spop);
  }

  /** Has HAProxy connect to one part of the agent where nothing listens. */
  const nobodyAt = (part: 'spop' | 'records'): ChainOptions => ({ add: { [part]: '127.0.0.1:9' } });

  test('all is well: exit code 0', async () => {
    const { exitCode, traceId, steps } = await verifyWith({});
    expect(steps).toEqual({
      request: expect.stringMatching(/^ok: /),
      trace: expect.stringContaining(`ok: ${traceId} is continued`),
      upstream: expect.stringContaining(`ok: the server got trace ${traceId}`),
      spop: `ok: the agent answers at 127.0.0.1:${own?.ports.spop}`,
      agent: expect.stringMatching(/^ok: answered after \d+ us$/),
      record: 'ok: received from frontend www, server app1',
      export: `ok: accepted by ${new URL(own?.receiver.endpoint ?? '').host}`,
    });
    expect(exitCode).toBe(0);
  });

  test('HAProxy stood in for the agent', async () => {
    const { exitCode, steps } = await verifyWith(nobodyAt('spop'));
    expect(steps.agent).toMatch(/^failed: no answer after \d+ us: HAProxy itself made the ids$/);
    expect(steps.record).toMatch(/^ok: /);
    expect(exitCode).toBe(1);
  });

  test('no record', async () => {
    const { exitCode, steps } = await verifyWith(nobodyAt('records'), ['--wait', '1']);
    expect(steps.record).toMatch(/^failed: no record of this trace in 1 s/);
    expect(exitCode).toBe(1);
  });

  test('the receiver refuses', async () => {
    const { exitCode, steps } = await verifyWith({
      receiver: {
        onExport: ([span]) =>
          span?.resource['service.name'] === 'demo-app'
            ? undefined
            : { code: status.UNAUTHENTICATED, details: 'no token' },
      },
    });
    expect(steps.export).toMatch(
      /^failed: \d+ spans were refused or dropped meanwhile: .*no token/,
    );
    expect(exitCode).toBe(1);
  });

  test('the receiver is away', async () => {
    const nobody = `http://127.0.0.1:${await freePort()}`;
    const options = {
      agentEnv: { OTEL_EXPORTER_OTLP_ENDPOINT: nobody, HAPROXY_OTEL_STOP_TIMEOUT: '500' },
    };
    // The first requests of the chain wait for it already.
    const { exitCode, steps } = await verifyWith(options, ['--wait', '5'], ({ agent }) =>
      until('the export to fail', () => agent.logged('export fails, spans wait')),
    );
    expect(steps.export).toMatch(/^failed: not accepted in time: .* fails: .*UNAVAILABLE/);
    expect(exitCode).toBe(1);
  });

  test('nothing is exported by intent', async () => {
    const { steps } = await verifyWith({ agentEnv: { OTEL_TRACES_EXPORTER: 'none' } });
    expect(steps.export).toBe('skipped: the exporter is "none"');
  });

  test('a token is wanted', async () => {
    const token = join(folder, 'token');
    writeFileSync(token, 'abcdefghijklmnopqrstuvwxyz');
    const { exitCode, steps } = await verifyWith({
      agentEnv: { HAPROXY_OTEL_ADMIN_TOKEN_FILE: token },
    });
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
