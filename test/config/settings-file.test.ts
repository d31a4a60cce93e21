import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { gatherSettings } from '../../src/config/settings-file.ts';
import { type Env, UsageError } from '../../src/settings.ts';
import { AgentProcess, until } from '../agent-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-settings-'));
afterAll(() => rmSync(folder, { recursive: true }));

const path = join(folder, 'settings.env');

/** What is gathered where this is the file, and what was warned of. */
function gathered(lines: string, environment: Env = {}): { env: Env; warnings: string[][] } {
  writeFileSync(path, lines);
  const warnings: string[][] = [];
  const { HAPROXY_OTEL_CONFIG: _path, ...env } = gatherSettings(
    { ...environment, HAPROXY_OTEL_CONFIG: path },
    {},
    (...warning) => warnings.push(warning),
  );
  return { env, warnings };
}

describe('a value', () => {
  test.each([
    ['a#b', 'a#b'],
    ['#b', '#b'],
    ['a#b # comment', 'a#b'],
    ['a # comment #1', 'a'],
    ['a #', 'a'],
    ['a\t#\tcomment', 'a'],
    ['"a # b"', 'a # b'],
    ['"a #b" # comment', 'a #b'],
    ['\'a "b"\'#comment', 'a "b"'],
    ['`it\'s "b"`', 'it\'s "b"'],
    ['  a b  ', 'a b'],
    ['a="b"', 'a="b"'],
    ['C:\\a', 'C:\\a'],
    ['', ''],
    ['""', ''],
    ['a\r', 'a'],
  ])('%j is %j', (written, value) => {
    const { env } = gathered(`; comment\n# comment\n\n OTEL_SERVICE_NAME =${written}\n`);
    expect(env).toEqual({ OTEL_SERVICE_NAME: value });
  });

  test.each([
    ['a #b', 'a # behind white space begins a comment, if there is white space behind it too'],
    ['a #secret # comment', 'a # behind white space begins a comment'],
    ['"secret', '" is accepted around the whole value'],
    ['"a" secret', '" is accepted around the whole value'],
  ])('%j is refused by its line and the rule, and is not repeated', (written, rule) => {
    const gather = () => gathered(`OTEL_LOG_LEVEL=info\nOTEL_SERVICE_NAME=${written}\n`);
    expect(gather).toThrow(UsageError);
    expect(gather).toThrow(`${path}, line 2, OTEL_SERVICE_NAME: ${rule}`);
    expect(gather).not.toThrow('secret');
  });
});

describe('a name', () => {
  test.each([
    ['OTEL_EXPORTER_OTLP_ENPOINT', ', OTEL_EXPORTER_OTLP_ENDPOINT is'],
    ['OTEL_EXPORTER_OTLP_TRACES_ENPOINT', ', OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is'],
    ['HAPROXY_OTEL_SPOOP', ', HAPROXY_OTEL_SPOP is'],
    ['HAPROXY_OTEL_LOG_LEVEL', ', OTEL_LOG_LEVEL is'],
    ['OTEL_SAMPLER', ''],
    ['OTEL_NODE_RESOURCE_DETECTORS', ''],
  ])('%s in the file is refused', (name, hint) => {
    expect(() => gathered(`OTEL_LOG_LEVEL=info\n${name}=secret\n`)).toThrow(
      new UsageError(`${path}, line 2: ${name} is no setting of the agent${hint}`),
    );
  });

  test.each(['OTEL_EXPORTER_ZIPKIN_ENDPOINT', 'OTEL_ENTITIES', 'OTEL_SPAN_EVENT_COUNT_LIMIT'])(
    "%s, the specification's, is warned of in the file",
    (name) => {
      expect(gathered(`${name}=x\n`).warnings).toEqual([
        [name, `${path}, line 1: is not used: the agent does not do what it is for`],
      ]);
    },
  );

  test("that begins as the agent's own is refused in the environment too", () => {
    expect(() => gathered('', { HAPROXY_OTEL_RECORD: '' })).toThrow(
      'the environment: HAPROXY_OTEL_RECORD is no setting of the agent, HAPROXY_OTEL_RECORDS is',
    );
  });

  test("of other programs' in the environment passes, one misspelt is warned of", () => {
    const environment = {
      OTEL_LOGS_EXPORTER: 'none',
      OTEL_NODE_RESOURCE_DETECTORS: 'all',
      OTEL_PYTHON_LOG_CORRELATION: 'true',
      HAPROXY_CFGFILES: '/etc/haproxy/haproxy.cfg',
      OTEL_EXPORTER_OTLP_ENPOINT: 'http://collector:4317',
    };
    expect(gathered('', environment).warnings).toEqual([
      ['OTEL_EXPORTER_OTLP_ENPOINT', 'is no setting of the agent, OTEL_EXPORTER_OTLP_ENDPOINT is'],
    ]);
  });
});

test('an agent does not start with an unknown name, and not reload; of others it warns each time', async () => {
  const env = {
    HAPROXY_OTEL_CONFIG: path,
    HAPROXY_OTEL_SPOP: '127.0.0.1:0',
    HAPROXY_OTEL_RECORDS: '127.0.0.1:0',
  };
  writeFileSync(path, 'OTEL_TRACE_EXPORTER=none\n');
  const refused = AgentProcess.spawn(['run'], env);
  expect(await refused.exited()).toBe(2);
  await until('the message', () => refused.output !== '');
  const message = `${path}, line 1: OTEL_TRACE_EXPORTER is no setting of the agent, OTEL_TRACES_EXPORTER is`;
  expect(refused.output).toBe(`haproxy-otel-spoa: ${message}\n`);

  writeFileSync(path, 'OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318/v1/traces\n');
  const agent = await AgentProcess.start(env);
  try {
    const warned = () => agent.logs.filter(({ msg }) => msg === 'a setting needs attention');
    expect(warned()).toHaveLength(2);
    expect(warned()[1]).toMatchObject({ level: 'warn', setting: 'OTEL_EXPORTER_OTLP_ENDPOINT' });
    writeFileSync(path, 'OTEL_TRACE_EXPORTER=none\n');
    agent.process.kill('SIGHUP');
    const failure = 'reload failed, the configuration before stays in force';
    expect(await until('the refusal', () => agent.logged(failure))).toMatchObject({
      reason: message,
    });
    writeFileSync(path, 'OTEL_LOG_LEVEL=loud\n');
    agent.process.kill('SIGHUP');
    await until('the reload', () => agent.logged('reloaded'));
    expect(warned().slice(2)).toMatchObject([{ level: 'warn', setting: 'OTEL_LOG_LEVEL' }]);
  } finally {
    expect(await agent.end()).toBe(0);
  }
});
