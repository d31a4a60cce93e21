// biome-ignore-all lint/suspicious/noTemplateCurlyInString: HAProxy writes its variables like that
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { check } from '../../src/check/check.ts';
import { loadConfig } from '../../src/config/config.ts';
import { isPublic, leadsTo, parseAddress } from '../../src/haproxy/addresses.ts';
import { agentSettings } from '../../src/haproxy/agent-settings.ts';
import {
  type Configuration,
  parseConfiguration,
  readTexts,
} from '../../src/haproxy/configuration.ts';
import { parseLogFormat } from '../../src/haproxy/log-format.ts';
import { loggersOf } from '../../src/haproxy/proxies.ts';
import { parseSize } from '../../src/haproxy/units.ts';
import { parseVersion } from '../../src/haproxy/version.ts';
import { tcp, UsageError } from '../../src/settings.ts';
import { filesOf, wire } from '../../src/wiring/wire.ts';
import { EXAMPLE } from '../shipped/example.ts';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-configuration-'));
afterAll(() => rmSync(folder, { recursive: true }));

const version = parseVersion('3.0.11');
let files = 0;

function readText(text: string, env: Readonly<Record<string, string>> = {}): Configuration {
  const path = join(folder, `${files++}.cfg`);
  writeFileSync(path, text);
  return parseConfiguration(readTexts([path]), { env, version, features: new Set(['LUA']) });
}

const wordsOf = (configuration: Configuration, name: string): string[] =>
  configuration.proxies
    .find((proxy) => proxy.name === name)
    ?.statements.map(({ words }) => words.join(' ')) ?? [];

describe('defaults', () => {
  test('count for what stands behind them, and end with the next', () => {
    const configuration = readText(`
defaults
    mode http
    timeout client 1s
frontend a
    timeout client 2s
defaults
    timeout server 3s
backend b
`);
    expect(wordsOf(configuration, 'a')).toEqual([
      'mode http',
      'timeout client 1s',
      'timeout client 2s',
    ]);
    expect(wordsOf(configuration, 'b')).toEqual(['timeout server 3s']);
    expect(configuration.proxies.map(({ mode }) => mode)).toEqual(['http', 'tcp']);
  });

  test('are inherited by name, and from one another', () => {
    const configuration = readText(`
defaults base
    mode http
defaults web from base
    option httplog
defaults other
    mode tcp
frontend a from web
frontend b from base
frontend c
listen d from unknown
`);
    expect(wordsOf(configuration, 'a')).toEqual(['mode http', 'option httplog']);
    expect(wordsOf(configuration, 'b')).toEqual(['mode http']);
    expect(wordsOf(configuration, 'c')).toEqual(['mode tcp']);
    expect(wordsOf(configuration, 'd')).toEqual([]);
  });

  test('loggers are inherited, added to, removed, and those of global', () => {
    const configuration = readText(`
global
    log 127.0.0.1:514 local0
defaults
    log global
frontend a
    log ring@otel local0
frontend b
    no log
    log stdout local0
`);
    const [a, b] = configuration.proxies.map((proxy) =>
      loggersOf(proxy, configuration.global).map(({ words }) => words[1]),
    );
    expect(a).toEqual(['127.0.0.1:514', 'ring@otel']);
    expect(b).toEqual(['stdout']);
  });
});

test('variables are those of the line, conditions those of the version, and lines have their numbers', () => {
  const configuration = readText(
    `global
    setenv A one
    presetenv A two
    presetenv HOME mine
    .if version_atleast(3.0) && streq("$A",one)
    setenv B "$A-\${HOME}"
    .if defined(NOPE)
    setenv B nested
    .else
    maxconn 1
    .endif
    .elif 1
    setenv B wrong
    .endif
    unsetenv A
frontend "\${B}"
    bind "\${B} \${A}\${.LINE}"
`,
    { HOME: 'theirs' },
  );
  expect(configuration.global.map(({ words }) => words)).toEqual([['maxconn', '1']]);
  const [proxy] = configuration.proxies;
  expect(proxy?.name).toBe('one-theirs');
  expect(proxy?.head.line).toBe(16);
  expect(proxy?.statements).toMatchObject([
    { words: ['bind', 'one-theirs 17'], unset: ['A'], line: 17 },
  ]);
  expect(configuration.doubts).toEqual([]);
});

test('what is left out by a condition is not asked', () => {
  const configuration = readText(
    '.if 0\n.if enabled(X)\n.endif\nglobal\n.elif 1\n.elif enabled(X)\n.endif\n',
  );
  expect(configuration.doubts).toEqual([]);
  expect(configuration.sections).toEqual([]);
});

test('what cannot be read as HAProxy would is reported, by line', () => {
  const configuration = readText(
    'global\n.if enabled(EPOLL)\n.endif\n    log "open\n.if (\n.endif\n',
  );
  expect(configuration.doubts).toMatchObject([
    { kind: 'undecided', line: 2, text: 'enabled(EPOLL)' },
    { kind: 'unreadable', line: 4, text: 'the " is not closed' },
    { kind: 'unreadable', line: 5, text: '(' },
  ]);
});

test('files in order, and of a directory those that end in .cfg', () => {
  const site = join(folder, 'site');
  mkdirSync(site);
  for (const name of ['b.cfg', 'a.cfg', 'B.cfg', '.c.cfg', 'd.conf']) {
    writeFileSync(join(site, name), `backend ${name.replace(/\W/g, '-')}\n`);
  }
  const first = join(folder, 'first');
  writeFileSync(first, 'defaults\n    mode http\n');
  const options = { env: {}, version, features: undefined };
  const configuration = parseConfiguration(readTexts([first, site]), options);
  expect(configuration.proxies.map(({ name, mode }) => `${name} ${mode}`)).toEqual([
    'B-cfg http',
    'a-cfg http',
    'b-cfg http',
  ]);
  mkdirSync(join(folder, 'empty'));
  expect(() => parseConfiguration(readTexts([join(folder, 'empty')]), options)).toThrow(
    'has no file that ends in .cfg',
  );
});

test.each([
  ['127.0.0.1:80', { kind: 'tcp', host: '127.0.0.1', port: 80 }],
  [':443', { kind: 'tcp', host: '', port: 443 }],
  ['*:8000-8010', { kind: 'tcp', host: '*', port: 8000 }],
  [':::443', { kind: 'tcp', host: '::', port: 443 }],
  ['[::1]:443', { kind: 'tcp', host: '::1', port: 443 }],
  ['ipv6@2001:db8::1:443', { kind: 'tcp', host: '2001:db8::1', port: 443 }],
  ['udp@192.0.2.1:514', { kind: 'tcp', host: '192.0.2.1', port: 514 }],
  ['unix@/run/a', { kind: 'unix', path: '/run/a' }],
  ['/run/a', { kind: 'unix', path: '/run/a' }],
  ['abns@a', { kind: 'abstract', name: 'a', padded: true }],
  ['abnsz@a', { kind: 'abstract', name: 'a', padded: false }],
  ['fd@3', { kind: 'other' }],
])('the address %s', (text, expected) => expect(parseAddress(text)).toEqual(expected));

test.each([
  [':443', true],
  ['*:443', true],
  ['[::]:443', true],
  ['198.51.100.4:443', true],
  ['2001:db8::1:443', true],
  ['10.1.2.3:443', false],
  ['172.31.0.1:80', false],
  ['[fd00::1]:80', false],
  ['localhost:80', false],
  ['/run/a', false],
])('%s may be reached by anybody: %s', (text, expected) => {
  expect(isPublic(parseAddress(text))).toBe(expected);
});

test.each([
  ['127.0.0.1:1', tcp('127.0.0.1', 1), true],
  ['localhost:1', tcp('127.0.0.1', 1), true],
  ['127.0.0.1:1', tcp('0.0.0.0', 1), true],
  ['10.0.0.1:1', tcp('0.0.0.0', 2), false],
  ['127.0.0.1:2', tcp('127.0.0.1', 1), false],
  ['10.0.0.1:1', tcp('127.0.0.1', 1), undefined],
  ['127.0.0.1:1', tcp('10.0.0.1', 1), false],
  ['unix@/a', { kind: 'unix', path: '/a' }, true],
  ['unix@/b', { kind: 'unix', path: '/a' }, false],
  ['abns@a', { kind: 'abstract', name: 'a', padded: true }, true],
  ['abns@b', { kind: 'abstract', name: 'a', padded: true }, false],
  ['abnsz@a', { kind: 'abstract', name: 'a', padded: true }, false],
  ['unix@/a', { kind: 'abstract', name: '/a', padded: true }, false],
  ['abns@a', tcp('127.0.0.1', 1), false],
  ['127.0.0.1:1', { kind: 'abstract', name: 'a', padded: true }, false],
  ['abns@a', { kind: 'fd', fd: 3 }, undefined],
  ['127.0.0.1:1', { kind: 'fd', fd: 3 }, undefined],
] as const)('%s leads to %o: %s', (text, listener, expected) => {
  expect(leadsTo(parseAddress(text), listener)).toBe(expected);
});

test('log formats are cut into text and values', () => {
  const parts = parseLogFormat(
    '{"a":%ST,"b":"%[path,regsub(\\"[)]\\",x)]"} %{+Q}r %% %{+E}o%HU%(name)ft',
  );
  const plain = parts.map((part) =>
    part.kind === 'text' ? part.text : `<${part.kind} ${part.name}>`,
  );
  expect(plain).toEqual([
    '{"a":',
    '<variable ST>',
    ',"b":"',
    '<sample path,regsub(\\"[)]\\",x)>',
    '"} ',
    '<variable r>',
    ' % ',
    '<variable HU>',
    '<variable ft>',
  ]);
  expect(parts.map((part) => (part.kind === 'text' ? '' : [...part.flags].join()))).toEqual([
    '',
    '',
    '',
    '',
    '',
    'Q',
    '',
    'E',
    'E',
  ]);
});

test('sizes', () => {
  expect(['16384', '16k', '1M', '1g', 'x'].map(parseSize)).toEqual([
    16_384,
    16_384,
    1_048_576,
    1_073_741_824,
    undefined,
  ]);
});

test("the agent's defaults are those that the agent has", () => {
  const config = loadConfig({});
  expect(agentSettings({})).toEqual({
    spop: config.spop,
    records: config.telemetry.records,
    maxFrameSize: config.spopLimits.maxFrameSize,
  });
});

test('whatever is in a configuration, it is read, wired and checked', () => {
  if (version === undefined) throw new Error('no version');
  const agent = agentSettings({});
  const lines = EXAMPLE.split('\n').filter((line) => line.trim() !== '');
  // Words of the example in wrong places, lines in any order, and what means something to a reader.
  const word = fc.constantFrom(
    ...lines.flatMap((line) => line.split(/\s+/)),
    '"',
    "'",
    '\\',
    '${',
    '%[',
    '.if',
    '{',
    '#',
  );
  const line = fc.oneof(
    fc.constantFrom(...lines),
    fc.array(word, { maxLength: 6 }).map((words) => words.join(' ')),
  );
  const reading = { env: {}, version, features: undefined };
  const orMessage = <T>(make: () => T): T | string => {
    try {
      return make();
    } catch (error) {
      if (error instanceof UsageError) return error.message;
      throw error;
    }
  };
  fc.assert(
    fc.property(fc.array(line, { maxLength: 60 }), (chosen) => {
      const texts = new Map([['a.cfg', chosen.join('\n')]]);
      const files = orMessage(() => filesOf(texts));
      if (typeof files === 'string') return;
      const wired = orMessage(() => wire(files, {}, {}, reading, folder));
      const current = parseConfiguration(texts, reading);
      const { findings } = check({ files, current, wired, version, agent }, undefined);
      expect(findings.every(({ line: at = 1 }) => at >= 1)).toBe(true);
      if (typeof wired !== 'string') expect(filesOf(wired.texts).clean).toEqual(files.clean);
    }),
    { numRuns: 300, seed: 20_261_126 },
  );
});
