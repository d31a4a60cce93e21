import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { constants } from 'node:os';
import { afterEach, expect, test } from 'vitest';
import { Chain } from './chain.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** The status line, empty where the connection was closed without one, that a client gets that closes its sending side behind its request. */
function statusFor(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = connect(port, '127.0.0.1', () =>
      socket.end('GET /?delay=300 HTTP/1.1\r\nHost: half.example\r\n\r\n'),
    );
    socket.setEncoding('utf8').on('data', (text: string) => {
      received += text;
    });
    socket.once('close', () => resolve(received.split('\r\n', 1)[0] ?? ''));
    socket.once('error', reject);
  });
}

test.each([
  // Without an answer where HAProxy sees the end before it turned to a server.
  ['option abortonclose', /^(HTTP\/1\.1 400 .*)?$/],
  ['no option abortonclose', /^HTTP\/1\.1 200 /],
])('%s: a client that half-closes and waits', async (line, status) => {
  const chain = await Chain.start({
    agentEnv: { OTEL_TRACES_EXPORTER: 'none' },
    site: (config) => config.replace(/^ *option abortonclose$/m, line),
  });
  ends.push(() => chain.stop());
  expect(await statusFor(chain.ports.http)).toMatch(status);
});

test('a client that leaves while a server works is a hop when HAProxy has an answer, or none is to come', async () => {
  const chain = await Chain.start({
    site: (config) => config.replace(/^ *option abortonclose$/m, '    no option abortonclose'),
  });
  ends.push(() => chain.stop());
  const traceId = 'e'.repeat(32);
  const headers = { traceparent: `00-${traceId}-${'b'.repeat(16)}-01` };
  const before = chain.server.requests;
  const abortOnce = (): boolean => chain.server.requests > before;
  const left = chain.get('/slow?delay=3000', { headers, abortOnce });
  await expect(left).rejects.toThrow('left');
  const { server, client } = await chain.hop(traceId);
  expect(server.attributes).toMatchObject({ 'haproxy.server.name': 'app1', 'url.path': '/slow' });
  // The timeout of the server is one second.
  expect(Number((client?.end ?? 0n) - (client?.start ?? 0n)) / 1e6).toBeGreaterThan(900);
  // What is in flight when it is terminated cannot be reported: it does not even catch that signal.
  const status = readFileSync(`/proc/${chain.haproxy.pid}/status`, 'utf8');
  const [, caught = ''] = /^SigCgt:\s*([0-9a-f]+)$/m.exec(status) ?? [];
  const catches = (name: 'SIGTERM' | 'SIGUSR1'): boolean =>
    ((BigInt(`0x${caught}`) >> BigInt(constants.signals[name] - 1)) & 1n) === 1n;
  expect([catches('SIGTERM'), catches('SIGUSR1')]).toEqual([false, true]);
});
