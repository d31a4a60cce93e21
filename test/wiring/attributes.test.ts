import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  status,
} from '@grpc/grpc-js';
import { generate } from 'selfsigned';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../src/demo/ports.ts';
import { registeredCipher } from '../../src/records/cipher.ts';
import {
  OPT_IN_FORMATS,
  OPT_IN_GROUPS,
  OptInAttribute,
  optInAttributes,
} from '../../src/records/opt-in-attributes.ts';
import { until } from '../agent-process.ts';
import { Chain, get } from '../end-to-end/chain.ts';
import { tool, wiring } from './run.ts';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-attributes-'));
const file = join(folder, 'haproxy.cfg');
const SPAN_ID = 'b7ad6b7169203331';

let chain: Chain;
let grpc: Server;
let ports: {
  readonly tls: number;
  readonly tcp: number;
  readonly quiet: number;
  readonly h2: number;
};

let traces = 0;
/** A trace of the client's own, by which its hop is found. */
function newTrace(): { readonly traceId: string; readonly traceparent: string } {
  traces += 1;
  const traceId = String(traces).padStart(32, 'e');
  return { traceId, traceparent: `00-${traceId}-${SPAN_ID}-01` };
}

const bytes = (value: Buffer): Buffer => value;
const SHOP: ServiceDefinition = {
  buy: {
    path: '/shop.Orders/Buy',
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  },
};

beforeAll(async () => {
  grpc = new Server();
  grpc.addService(SHOP, {
    buy: (_call: unknown, callback: (error: null, answer: Buffer) => void) =>
      callback(null, Buffer.from('bought')),
  });
  const grpcPort = await new Promise<number>((resolve, reject) => {
    grpc.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
  });
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'shop.example' }]);
  const pem = join(folder, 'shop.pem');
  writeFileSync(pem, `${cert}\n${key}`);
  ports = {
    tls: await freePort(),
    tcp: await freePort(),
    quiet: await freePort(),
    h2: await freePort(),
  };
  chain = await Chain.start({
    editConfig: (_shipped, { http, server, spop, records }) => {
      writeFileSync(
        file,
        `global
    log 127.0.0.1:9 format raw local0
    ssl-default-bind-options ssl-min-ver TLSv1.2

cache memory
    total-max-size 4
    max-age 60

defaults
    mode http
    log global
    option httplog
    timeout connect 2s
    timeout client 5s
    timeout server 5s

frontend shop
    bind 127.0.0.1:${http}
    bind 127.0.0.1:${ports.h2} proto h2
    bind 127.0.0.1:${ports.tls} ssl crt ${pem}
    http-request allow if { path /allowed }
    http-request deny if { path /deny }
    http-request return status 200 content-type text/plain string x if { path /return }
    http-request redirect location /elsewhere if { path /redirect }
    http-request cache-use memory if { path_beg /cached }
    http-response set-header cache-control max-age=60 if { capture.req.uri -m beg /cached }
    http-response cache-store memory
    http-response deny deny_status 403 if { capture.req.uri -m beg /hidden }
    http-after-response add-header server-timing "trace;desc=00-%[var(txn.otel.hop),bytes(0,52)]"
    use_backend grpc if { path_beg /shop. }
    use_backend nowhere if { path /nowhere }
    default_backend app

frontend quiet
    bind 127.0.0.1:${ports.quiet}
    option dontlog-normal
    http-request deny if { path /deny }
    default_backend app

frontend secure
    mode tcp
    option tcplog
    bind 127.0.0.1:${ports.tcp} ssl crt ${pem}
    default_backend tcp-app

backend app
    server one 127.0.0.1:${server}

backend tcp-app
    mode tcp
    server one 127.0.0.1:${server}

backend nowhere

backend grpc
    server one 127.0.0.1:${grpcPort} proto h2
`,
      );
      const where = ['--spop', `127.0.0.1:${spop}`, '--records', `127.0.0.1:${records}`];
      const options = [...where, '--tcp', '--attributes', OPT_IN_GROUPS.join(',')];
      expect(wiring(folder, 'add', [file], ['--write', ...options])).toMatchObject({
        status: 0,
        err: '',
      });
      return readFileSync(file, 'utf8');
    },
  });
});

afterAll(async () => {
  await chain?.stop();
  grpc?.forceShutdown();
  rmSync(folder, { recursive: true });
});

/** Attributes of the SERVER span of a request that the chain made. */
async function attributesOf(path: string): Promise<Readonly<Record<string, unknown>>> {
  const { traceId } = await chain.get(path);
  return (await chain.hop(traceId, false)).server.attributes;
}

/** The number of the line that has this text, from 1. */
function lineWith(text: string): number {
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.findIndex((line) => line.includes(text)) + 1;
}

const RULE = [OptInAttribute.RULE_FILE, OptInAttribute.RULE_LINE] as const;

describe('which rule answered', () => {
  test.each([
    ['/deny', 'http-request deny if { path /deny }'],
    ['/return', 'http-request return'],
    ['/redirect', 'http-request redirect'],
    ['/hidden', 'http-response deny'],
  ])('%s', async (path, rule) => {
    const attributes = await attributesOf(path);
    expect(String(attributes[RULE[0]])).toMatch(/\.cfg$/);
    expect(attributes[RULE[1]]).toBe(lineWith(rule));
  });

  test.each(['/allowed', '/nowhere', '/normal'])('%s: none', async (path) => {
    const attributes = await attributesOf(path);
    expect(Object.keys(attributes)).not.toContain(RULE[0]);
    expect(Object.keys(attributes)).not.toContain(RULE[1]);
  });

  test('of a hop that is reported with the headers of its reply', async () => {
    const { traceId, traceparent } = newTrace();
    await get(ports.quiet, '/deny', { headers: { traceparent } });
    const { server } = await chain.hop(traceId, false);
    const rule = readFileSync(file, 'utf8').lastIndexOf('http-request deny if { path /deny }');
    const line = readFileSync(file, 'utf8').slice(0, rule).split('\n').length;
    expect(server.attributes).toMatchObject({ [RULE[1]]: line });
  });
});

test('a hit of the cache', async () => {
  const first = await attributesOf('/cached/a');
  expect(Object.keys(first)).not.toContain(OptInAttribute.CACHE_HIT);
  const second = await attributesOf('/cached/a');
  expect(second).toMatchObject({ [OptInAttribute.CACHE_HIT]: true });
});

test("the round trip to the client, by the kernel's account", async () => {
  const { [OptInAttribute.CLIENT_RTT]: rtt } = await attributesOf('/rtt');
  expect(rtt).toBeGreaterThan(0);
  expect(rtt).toBeLessThan(1_000_000);
});

describe('TLS', () => {
  function getByTls(options: RequestOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const outgoing = httpsRequest(
        { host: '127.0.0.1', port: ports.tls, rejectUnauthorized: false, agent: false, ...options },
        (response) => void response.resume().once('end', resolve),
      );
      outgoing.once('error', reject).end();
    });
  }

  test.each([
    [
      { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' } as const,
      '1.2',
      'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
    ],
    [
      { minVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256' } as const,
      '1.3',
      'TLS_AES_128_GCM_SHA256',
    ],
  ])('%j', async (options, version, cipher) => {
    const { traceId, traceparent } = newTrace();
    await getByTls({
      ...options,
      path: '/tls',
      servername: 'shop.example',
      headers: { traceparent },
    });
    const { server, client } = await chain.hop(traceId);
    expect(server.attributes).toMatchObject({
      [OptInAttribute.TLS_VERSION]: version,
      [OptInAttribute.TLS_CIPHER]: cipher,
      [OptInAttribute.TLS_SERVER_NAME]: 'shop.example',
    });
    expect(Object.keys(client?.attributes ?? {}).filter((name) => name.startsWith('tls.'))).toEqual(
      [],
    );
  });

  test('without a name, and none where there is no TLS', async () => {
    const { traceId, traceparent } = newTrace();
    await getByTls({ path: '/tls', servername: '', headers: { traceparent } });
    const { server } = await chain.hop(traceId);
    expect(server.attributes).toHaveProperty([OptInAttribute.TLS_CIPHER]);
    expect(server.attributes).not.toHaveProperty([OptInAttribute.TLS_SERVER_NAME]);
    const plain = Object.keys(await attributesOf('/plain'));
    expect(plain.filter((name) => name.startsWith('tls.'))).toEqual([]);
  });

  test('of a connection of a "mode tcp" frontend', async () => {
    await new Promise<void>((resolve, reject) => {
      const socket = connectTls(
        {
          host: '127.0.0.1',
          port: ports.tcp,
          servername: 'tcp.example',
          rejectUnauthorized: false,
        },
        () => socket.end('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
      );
      socket
        .resume()
        .once('close', () => resolve())
        .once('error', reject);
    });
    const span = await until('the span of the connection', () =>
      chain.haproxySpans().find(({ name }) => name === 'tcp secure'),
    );
    expect(span.attributes).toMatchObject({
      [OptInAttribute.TLS_VERSION]: '1.3',
      [OptInAttribute.TLS_SERVER_NAME]: 'tcp.example',
      [OptInAttribute.CLIENT_RTT]: expect.any(Number),
    });
  });
});

describe('gRPC', () => {
  /** The code that the client got, and attributes of the SERVER span. */
  async function call(path: string): Promise<[number, Readonly<Record<string, unknown>>]> {
    const client = new Client(`127.0.0.1:${ports.h2}`, credentials.createInsecure());
    const { traceId, traceparent } = newTrace();
    const metadata = new Metadata();
    metadata.set('traceparent', traceparent);
    const code = await new Promise<number>((resolve) => {
      client.makeUnaryRequest(path, bytes, bytes, Buffer.from('x'), metadata, (error) =>
        resolve(error?.code ?? status.OK),
      );
    });
    client.close();
    const { server } = await chain.hop(traceId, false);
    return [code, server.attributes];
  }

  test('a method that answered: its status is in a trailer, which HAProxy cannot read', async () => {
    const [code, attributes] = await call('/shop.Orders/Buy');
    expect(code).toBe(status.OK);
    expect(attributes).toMatchObject({
      [OptInAttribute.RPC_SYSTEM]: 'grpc',
      [OptInAttribute.RPC_METHOD]: 'shop.Orders/Buy',
    });
    expect(attributes).not.toHaveProperty([OptInAttribute.RPC_STATUS]);
  });

  test('one that the server does not have', async () => {
    const [code, attributes] = await call('/shop.Orders/Steal');
    expect(code).toBe(status.UNIMPLEMENTED);
    expect(attributes).toMatchObject({
      [OptInAttribute.RPC_SYSTEM]: 'grpc',
      [OptInAttribute.RPC_METHOD]: '_OTHER',
      [OptInAttribute.RPC_METHOD_ORIGINAL]: 'shop.Orders/Steal',
      [OptInAttribute.RPC_STATUS]: 'UNIMPLEMENTED',
    });
  });

  test('other requests have none of it', async () => {
    const names = Object.keys(await attributesOf('/shop'));
    expect(names.filter((name) => name.startsWith('rpc.'))).toEqual([]);
  });
});

test('every attribute that can be chosen was emitted, and stands in the table of its choice', () => {
  const emitted = new Set(
    chain.haproxySpans().flatMap(({ attributes }) => Object.keys(attributes)),
  );
  expect(Object.values(OptInAttribute).filter((name) => !emitted.has(name))).toEqual([]);
  const page = readFileSync(join(import.meta.dirname, '../../docs/more-attributes.md'), 'utf8');
  const rows = [...page.matchAll(/^\| `(\w+)` \| ((?:`[^`]+`(?:, )?)+) \|/gm)];
  expect(rows.map(([, choice]) => choice)).toEqual(OPT_IN_GROUPS);
  const documented = rows.flatMap(([, , names = '']) => names.replaceAll('`', '').split(', '));
  expect(documented.sort()).toEqual(Object.values(OptInAttribute).sort());
});

describe('what is chosen', () => {
  const site = `defaults\n    mode http\n    timeout connect 1s\n    timeout client 1s\n    timeout server 1s\n\nfrontend www\n    bind 127.0.0.1:9\n    default_backend app\n\nbackend app\n    server s1 127.0.0.1:9\n`;
  const own = join(folder, 'own.cfg');
  const text = (): string => readFileSync(own, 'utf8');

  test('is as it was when add is run again, changes with its option, and is gone with remove', () => {
    writeFileSync(own, site);
    expect(wiring(folder, 'add', [own])).toMatchObject({ status: 0 });
    const without = text();
    for (const choice of OPT_IN_GROUPS)
      expect(without).not.toContain(OPT_IN_FORMATS[choice].parameter);
    expect(without).not.toContain('grpc');

    const chosen = ['--write', '--states', '--attributes', 'rtt, TLS'];
    expect(wiring(folder, 'add', [own], chosen)).toMatchObject({ status: 0 });
    const some = text();
    expect(some).toContain('--attributes rtt,TLS --states');
    expect(some).toMatch(
      /backend app\n +server .*\n +log ring@otel .* rfc5424 local0 # haproxy-otel-spoa\n/,
    );
    expect(some).toContain(OPT_IN_FORMATS.rtt.parameter);
    expect(some).not.toContain(OPT_IN_FORMATS.grpc.parameter);
    expect(wiring(folder, 'add', [own]).out).toContain('Nothing is to be changed.');
    expect(text()).toBe(some);
    expect(tool(folder, ['check', '-f', own]).out).not.toMatch(/differ/);

    expect(wiring(folder, 'add', [own], ['--write', '--attributes', 'none'])).toMatchObject({
      status: 0,
    });
    const stated = / {4}log ring@otel .* # haproxy-otel-spoa\n/;
    expect(text().replace(' --attributes none --states', '').replace(stated, '')).toBe(without);
    expect(wiring(folder, 'remove', [own])).toMatchObject({ status: 0 });
    expect(text()).toBe(site);
  });

  test('has names that are known', () => {
    writeFileSync(own, site);
    const { status: code, err } = wiring(folder, 'add', [own], ['--attributes', 'tls,sni']);
    expect(code).not.toBe(0);
    expect(err).toContain(
      '--attributes is "tls,sni": none, or a list of tls, rule, cache, rtt, grpc is accepted',
    );
    expect(text()).toBe(site);
  });
});

describe('values as HAProxy may write them', () => {
  test.each([
    ['otel.tls', 'TLSv1.3 (NONE) -', {}],
    ['otel.tls', '- - -', {}],
    ['otel.tls', '  ', {}],
    [
      'otel.tls',
      'TLSv1 AES128-SHA a b',
      {
        'tls.protocol.version': '1.0',
        'tls.cipher': 'TLS_RSA_WITH_AES_128_CBC_SHA',
        'tls.client.server_name': 'a b',
      },
    ],
    [
      'otel.rule',
      'PR-- <NOSRV> 7 /etc/a b.cfg',
      { 'haproxy.rule.file': '/etc/a b.cfg', 'haproxy.rule.line': 7 },
    ],
    ['otel.rule', '---- s1 7 /etc/a.cfg', {}],
    ['otel.rule', 'SC-- <NOSRV> 7 /etc/a.cfg', {}],
    [
      'otel.rule',
      '403 <NOSRV> 7 /etc/a.cfg',
      { 'haproxy.rule.file': '/etc/a.cfg', 'haproxy.rule.line': 7 },
    ],
    ['otel.rule', '503 <NOSRV> 7 /etc/a.cfg', {}],
    ['otel.rule', '200 s1 7 /etc/a.cfg', {}],
    ['otel.rule', 'PR-- <NOSRV> - -', {}],
    ['otel.cache', 's1', {}],
    ['otel.grpc', ' ', {}],
    [
      'otel.grpc',
      '99 /a/b',
      { 'rpc.system.name': 'grpc', 'rpc.method': 'a/b', 'rpc.status_code': '99' },
    ],
    [
      'otel.grpc',
      '- /a/b/c',
      { 'rpc.system.name': 'grpc', 'rpc.method': '_OTHER', 'rpc.method_original': '/a/b/c' },
    ],
  ])('%s="%s"', (parameter, text, attributes) => {
    expect(optInAttributes(parameter, text)).toEqual(attributes);
  });

  test('no other parameter is touched', () => {
    expect(optInAttributes('otel.mine', 'x')).toBeUndefined();
  });

  test('ciphers by their registered names, as OpenSSL itself has them', () => {
    const list = execFileSync('openssl', ['ciphers', '-stdname', 'ALL:@SECLEVEL=0'], {
      encoding: 'utf8',
    });
    const pairs = list
      .trim()
      .split('\n')
      .map((line) => line.split(/ +/));
    const [mapped, others] = [true, false].map((wanted) =>
      pairs.filter(
        ([standard = '', , name = '']) => (registeredCipher(name) === standard) === wanted,
      ),
    );
    expect(mapped?.length).toBeGreaterThan(60);
    // Those that HAProxy does not use by default are left as OpenSSL calls them.
    for (const [standard = '', , name = ''] of others ?? []) {
      expect(standard).toMatch(/PSK|SRP|anon|ECDHE_RSA_WITH_ARIA/);
      expect(registeredCipher(name)).toBe(name);
    }
  });
});
