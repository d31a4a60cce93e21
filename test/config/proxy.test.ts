import { describe, expect, test } from 'vitest';
import { readProxy } from '../../src/config/proxy.ts';

const PROXY = { http_proxy: 'http://proxy.internal:3128' };
const USED = {
  variable: 'http_proxy',
  address: 'proxy.internal:3128',
  credentials: undefined,
};

describe('this host is never asked through a proxy', () => {
  test.each([
    'http://localhost:4317',
    'http://LOCALHOST.:4317',
    'http://otel.localhost:4317',
    'http://127.0.0.1:4317',
    'https://127.1.2.3:4317',
    'http://[::1]:4317',
    'http://[::ffff:127.0.0.1]:4317',
    'http://0.0.0.0:4317',
    'localhost:4317',
    'unix:///run/otel.sock',
  ])('%s', (endpoint) => {
    expect(readProxy(PROXY, endpoint)).toBeUndefined();
  });
});

test.each([
  'http://collector.internal:4317',
  'https://collector.internal',
  'http://localhost.example.com:4317',
  'http://10.0.0.1:4317',
  'http://user:secret@collector.internal:4317/path',
])('%s is', (endpoint) => {
  expect(readProxy(PROXY, endpoint)).toEqual(USED);
});

describe('no_proxy', () => {
  const at = (exceptions: string, endpoint: string) =>
    readProxy({ ...PROXY, no_proxy: exceptions }, endpoint);

  test.each([
    ['collector.internal', 'http://collector.internal:4317'],
    ['internal', 'http://collector.internal:4317'],
    ['.internal', 'http://collector.internal:4317'],
    ['*.internal', 'http://collector.internal:4317'],
    ['example.com, Collector.Internal', 'http://collector.internal:4317'],
    ['example.com collector.internal', 'http://collector.internal:4317'],
    ['collector.internal:4317', 'http://collector.internal:4317'],
    ['*', 'http://collector.internal:4317'],
    ['10.0.0.1', 'http://10.0.0.1:4317'],
    ['10.0.0.0/8', 'http://10.1.2.3:4317'],
    ['fd00::/8', 'http://[fd00::1]:4317'],
    ['fd00::1', 'http://[fd00::1]:4317'],
  ])('"%s" excepts %s', (exceptions, endpoint) => {
    expect(at(exceptions, endpoint)).toBeUndefined();
  });

  test.each([
    ['', 'http://collector.internal:4317'],
    [',', 'http://collector.internal:4317'],
    ['lector.internal', 'http://collector.internal:4317'],
    ['collector.internal:443', 'http://collector.internal:4317'],
    ['10.0.0.0/8', 'http://11.1.2.3:4317'],
    ['10.0.0.0/99', 'http://10.1.2.3:4317'],
    ['0.0.0.1', 'http://10.0.0.1:4317'],
    ['fd00::/8', 'http://10.0.0.1:4317'],
  ])('"%s" does not except %s', (exceptions, endpoint) => {
    expect(at(exceptions, endpoint)).toEqual(USED);
  });

  test('in capitals counts too, and gRPC has one of its own', () => {
    const endpoint = 'http://collector.internal:4317';
    expect(readProxy({ ...PROXY, NO_PROXY: 'internal' }, endpoint)).toBeUndefined();
    const env = { ...PROXY, no_grpc_proxy: 'internal', no_proxy: 'example.com' };
    expect(readProxy(env, endpoint)).toBeUndefined();
  });
});

describe('the proxy', () => {
  const endpoint = 'http://collector.internal:4317';

  test("is gRPC's own before all others", () => {
    const env = {
      http_proxy: 'http://third:1',
      https_proxy: 'http://second:2',
      grpc_proxy: 'http://first',
    };
    expect(readProxy(env, endpoint)).toMatchObject({ variable: 'grpc_proxy', address: 'first:80' });
  });

  test('may want a name and a password', () => {
    expect(readProxy({ http_proxy: 'http://agent:s%40cret@proxy:3128' }, endpoint)).toMatchObject({
      address: 'proxy:3128',
      credentials: 'agent:s@cret',
    });
  });

  test.each([
    'socks5://agent:secret@proxy:1080',
    'https://agent:secret@proxy:3128',
    'proxy',
    'http://',
  ])('%s is an error that has no secret in it, where it would be used', (http_proxy) => {
    const read = () => readProxy({ http_proxy }, endpoint);
    expect(read).toThrow(/^http_proxy is ".*": http:\/\/host:port.*is accepted$/);
    expect(read).not.toThrow(/secret/);
    expect(readProxy({ http_proxy }, 'http://localhost:4317')).toBeUndefined();
  });
});
