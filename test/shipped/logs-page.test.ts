import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { SETTINGS } from '../../src/config/table.ts';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { MessageReader } from '../../src/records/message.ts';
import { RecordParser } from '../../src/records/record-parser.ts';
import {
  EventName,
  type LogHead,
  LogRecords,
  type LogSink,
} from '../../src/telemetry/logs/log-records.ts';
import { hopOf, lineTime, recordLine } from '../records/lines.ts';

const PAGE = readFileSync(join(PACKAGE_ROOT, 'docs/logs.md'), 'utf8');
const LEVELS = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'];
const CONFIG = {
  limits: { attributeCount: 128, attributeValueLength: undefined },
  body: 'line',
} as const;

/** The cells of the rows of a table below a heading. */
function rows(heading: string): string[][] {
  const section = PAGE.split(`\n## ${heading}\n`)[1]?.split(/^## /m)[0] ?? '';
  return [...section.matchAll(/^\| (.*) \|$/gm)]
    .slice(1)
    .map(([, row = '']) => row.split(' | ').map((cell) => cell.trim()));
}

const codes = (cell = ''): string[] =>
  [...cell.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);

/** What begins a log record. */
function headOf(write: (logs: LogRecords) => void): LogHead {
  const heads: LogHead[] = [];
  const sink: LogSink = { begin: (head) => heads.push(head), attribute: () => {}, end: () => {} };
  write(new LogRecords(sink, CONFIG));
  const [head] = heads;
  if (head === undefined) throw new Error('no log record');
  return head;
}

function headOfHop(status: string, termination_state: string, retries = '0'): LogHead {
  const isNowhere = /^(PR|LR|SC|CR|cR)/.test(termination_state);
  const nowhere = isNowhere ? { server: '<NOSRV>', Tw: -1, Tr: -1 } : {};
  const silent = /^.H/.test(termination_state) ? { Tr: -1 } : {};
  const line = Buffer.from(
    recordLine(hopOf(1), { status, termination_state, retries, ...nowhere, ...silent }),
  );
  const record = new RecordParser().parse(line, 0, line.length);
  const hop = record?.hop;
  if (record === undefined || hop === undefined) throw new Error('no record');
  return headOf((logs) => logs.hop(record, hop, undefined, 0));
}

function headOfMessage(level: string, text: string): LogHead {
  const line = Buffer.from(
    `<${128 + LEVELS.indexOf(level)}>1 ${lineTime(1_795_418_260_853_713)} - haproxy 1 - - ${text}`,
  );
  const message = new MessageReader().read(line, 0, line.length);
  if (message === undefined) throw new Error('no message');
  return headOf((logs) => logs.message(message, 0));
}

describe('events and severities', () => {
  const table = rows('Events and severities');
  const examples = table.flatMap(([name = '', as = '', severity = '']) =>
    codes(as).map((example): [string, string, number] => [
      codes(name)[0] ?? '',
      example,
      Number(/\d+$/.exec(severity)?.[0]),
    ]),
  );

  test('each event name is in the table', () => {
    expect([...new Set(table.map(([name]) => codes(name)[0]))].sort()).toEqual(
      Object.values(EventName).sort(),
    );
    expect(examples.length).toBeGreaterThan(20);
  });

  test.each(examples.filter(([, example]) => example !== 'mode tcp'))(
    '%s, %s: %i',
    (name, example, severity) => {
      const [, level = '', text = ''] = /^(\w+): (.*)$/.exec(example) ?? [];
      const [status = '', state = '', retries] = example.split(' ');
      const head = text === '' ? headOfHop(status, state, retries) : headOfMessage(level, text);
      expect([head.eventName, head.severity.number]).toEqual([name, severity]);
    },
  );
});

test('the summary is as it is shown', () => {
  const line = Buffer.from(recordLine(hopOf(1), { message: '-' }));
  const record = new RecordParser().parse(line, 0, line.length);
  const hop = record?.hop;
  if (record === undefined || hop === undefined) throw new Error('no record');
  expect(PAGE).toContain(`\n${headOf((logs) => logs.hop(record, hop, undefined, 0)).body}\n`);
});

describe('settings', () => {
  const table = rows('Settings of logs and queries').map(([name, value]): [string, string] => [
    codes(name)[0] ?? '',
    codes(value)[0] ?? '',
  ]);

  test('all that the agent reads for logs is here', () => {
    const wanted = Object.keys(SETTINGS).filter((name) =>
      /^(OTEL_LOGS_EXPORTER|OTEL_(BLRP|LOGRECORD)_.*|HAPROXY_OTEL_(LOGS.*|QUERY))$/.test(name),
    );
    expect(table.map(([name]) => name).sort()).toEqual(wanted.sort());
  });

  test.each(table.filter(([, value]) => value !== ''))(
    '%s=%s is as if it were not set',
    (name, value) => {
      const env = { OTEL_LOGS_EXPORTER: 'otlp' };
      const base = name === 'OTEL_LOGS_EXPORTER' ? {} : env;
      expect(loadConfig({ ...base, [name]: value })).toEqual(loadConfig(base));
    },
  );

  test.each(rows('Queries').flatMap(([value]) => codes(value)))(
    'HAPROXY_OTEL_QUERY=%s is accepted',
    (value) => {
      const { queryRule } = loadConfig({ HAPROXY_OTEL_QUERY: value }).telemetry;
      expect(value.startsWith(queryRule.kind)).toBe(true);
    },
  );

  test('the environment sends logs', () => {
    const [, block = ''] = /```sh\n([^`]*)```/.exec(PAGE) ?? [];
    const env = Object.fromEntries(
      block
        .trim()
        .split('\n')
        .map((line) => line.split(/=(.*)/, 2)),
    );
    expect(loadConfig(env).telemetry.exporters.logs).toMatchObject({
      kind: 'otlp',
      endpoint: env.OTEL_EXPORTER_OTLP_ENDPOINT,
    });
  });
});
