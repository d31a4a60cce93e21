import { expect, test } from 'vitest';
import { outcomeOf } from '../../src/records/termination.ts';

const tried = (state: string) => outcomeOf(state, true, true);

test.each([
  ['----', 'none', undefined],
  ['--', 'none', undefined],
  ['', 'none', undefined],
  ['LR--', 'none', undefined],
  ['CD--', 'client', 'client_abort'],
  ['CC--', 'client', 'client_abort'],
  ['CH--', 'client', 'client_abort'],
  ['cD--', 'client', 'client_timeout'],
  ['SC--', 'server', 'connect_error'],
  ['SH--', 'server', 'server_abort'],
  ['SD--', 'server', 'server_abort'],
  ['sC--', 'server', 'connect_timeout'],
  ['sH--', 'server', 'server_timeout'],
  ['sD--', 'server', 'server_timeout'],
  ['PH--', 'server', 'invalid_response'],
  ['PD--', 'server', 'invalid_response'],
  ['PC--', 'proxy', 'resource_exhausted'],
  ['RC--', 'proxy', 'resource_exhausted'],
  ['IH--', 'proxy', 'internal_error'],
  ['DD--', 'server', 'server_down'],
  ['UD--', 'proxy', 'killed'],
  ['KD--', 'proxy', 'killed'],
])('%s with a server: fault of %s, cause %s', (state, fault, cause) => {
  expect(tried(state)).toEqual({ fault, cause, triedServer: true });
});

test.each([
  ['PR--', 'none', undefined],
  ['PT--', 'none', undefined],
  ['LR--', 'none', undefined],
  ['SC--', 'server', 'no_server'],
  ['sQ--', 'server', 'queue_timeout'],
  ['CQ--', 'client', 'client_abort'],
  ['cR--', 'client', 'client_timeout'],
  ['CR--', 'client', 'client_abort'],
])('%s without a server: fault of %s, cause %s', (state, fault, cause) => {
  expect(outcomeOf(state, false, false)).toEqual({ fault, cause, triedServer: false });
});

test('a server whose queue the request never left was not tried', () => {
  expect(outcomeOf('sQ--', true, true).triedServer).toBe(false);
  expect(outcomeOf('CQ--', true, false).triedServer).toBe(false);
});
