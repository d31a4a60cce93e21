import { describe, expect, test } from 'vitest';
import { leadsTo, parseAddress } from '../../src/haproxy/addresses.ts';
import { tcp } from '../../src/settings.ts';

/** A host whose `localhost` is ::1 first, one whose is 127.0.0.1 alone, and names that nobody knows. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  localhost: ['::1', '127.0.0.1'],
  localhost4: ['127.0.0.1'],
};
const lookup = (host: string): readonly string[] =>
  /^[\d.]+$|:/.test(host) ? [host] : (NAMES[host] ?? []);

describe('HAProxy gets to the agent by an address that it listens on', () => {
  test.each([
    ['127.0.0.1:1', '127.0.0.1', true],
    ['127.0.0.1:2', '127.0.0.1', false],
    ['127.0.0.2:1', '127.0.0.1', false],
    ['[::1]:1', '127.0.0.1', false],
    ['127.0.0.1:1', '::1', false],
    ['[0:0:0:0:0:0:0:1]:1', '::1', true],
    ['127.0.0.1:1', '::ffff:127.0.0.1', true],
    ['ipv4@127.0.0.1:1', '127.0.0.1', true],
    ['127.0.0.2:1', '0.0.0.0', true],
    ['[::1]:1', '0.0.0.0', false],
    ['127.0.0.2:1', '::', true],
    ['[::1]:1', '::', true],
    ['localhost:1', 'localhost', true],
    ['localhost:2', 'localhost', false],
    ['127.0.0.1:1', 'localhost', true],
    ['[::1]:1', 'localhost', true],
    ['127.0.0.2:1', 'localhost', false],
    // HAProxy uses the first address of a name.
    ['localhost:1', '127.0.0.1', false],
    ['localhost:1', '::1', true],
    ['localhost4:1', '127.0.0.1', true],
    ['[::1]:1', 'localhost4', false],
    ['agent.invalid:1', '127.0.0.1', undefined],
    ['127.0.0.1:1', 'agent.invalid', undefined],
    ['192.0.2.7:1', '127.0.0.1', undefined],
    ['192.0.2.7:1', '0.0.0.0', true],
    [':1', '127.0.0.1', undefined],
  ])('%s, and the agent on %s: %s', (address, host, expected) => {
    expect(leadsTo(parseAddress(address), tcp(host, 1), lookup)).toBe(expected);
  });

  test('names are resolved as HAProxy resolves them', () => {
    expect(leadsTo(parseAddress('localhost:1'), tcp('localhost', 1))).toBe(true);
    expect(leadsTo(parseAddress('localhost:1'), tcp('127.0.0.3', 1))).toBe(false);
    expect(leadsTo(parseAddress('agent.invalid:1'), tcp('127.0.0.1', 1))).toBeUndefined();
  });
});
