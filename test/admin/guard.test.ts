import type { IncomingMessage } from 'node:http';
import { hostname } from 'node:os';
import { expect, test } from 'vitest';
import { Guard } from '../../src/admin/guard.ts';

/** What whoever comes by this name is refused with. */
function statusOf(guard: Guard, host: string): number | undefined {
  const request = { method: 'GET', headers: { host } } as IncomingMessage;
  return guard.check(request, false)?.status;
}

test('the name that it listens on, that of the host and those that are set are its own', () => {
  const guard = new Guard(
    {
      address: { kind: 'tcp', host: 'LB1.internal', port: 12_347 },
      optional: false,
      token: undefined,
      hosts: ['lb.example'],
      traceUrl: undefined,
    },
    false,
  );
  for (const name of [
    'lb1.internal:12347',
    'LB.example',
    `${hostname()}:1`,
    'localhost',
    '10.0.0.1',
  ]) {
    expect([name, statusOf(guard, name)]).toEqual([name, undefined]);
  }
  for (const name of ['lb2.internal', `${hostname()}.evil.example`, 'evil.example:12347']) {
    expect([name, statusOf(guard, name)]).toEqual([name, 421]);
  }
});
