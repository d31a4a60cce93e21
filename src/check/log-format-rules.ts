import { type LogPart, parseLogFormat } from '../haproxy/log-format.ts';
import { says } from '../haproxy/sections.ts';
import type { Statement } from '../haproxy/statements.ts';
import { type Finding, finding } from './finding.ts';
import { formatStatement, hasProfile, logFormat } from './log-lines.ts';
import { isNumber, isUnescaped, type LogValue } from './log-values.ts';
import { atLeast, type Frontend, proposed, type Subject } from './subject.ts';
import { isVariableUnescaped } from './variables.ts';

/** Fields without which a line is no record. */
const NEEDED = ['frontend', 'end'] as const;

/** What a frontend's lines say, and whether the agent can read it. */
export function checkLogFormat(frontend: Frontend, subject: Subject): Finding[] {
  const { section, proxy, toRing, toPort } = frontend;
  if (toRing.length + toPort.length === 0 || hasProfile(frontend)) return [];
  const shipped = proxy.mode === 'http' ? subject.shipped.http : subject.shipped.tcp;
  const statement = formatStatement(frontend);
  const format = logFormat(frontend);
  if (statement === undefined || format === undefined) {
    return [
      finding('log-format-missing', section, statement ?? proxy.head, {
        what: statement === undefined ? 'no log-format' : `"${statement.words.join(' ')}"`,
        why: 'The agent reads one JSON object a line, and these lines are none: no spans.',
        lines: proposed(shipped, /log-format/),
      }),
    ];
  }
  if (statement.unset.length > 0) return [unset(statement, section, subject)];
  const isJson = /^\s*%\{[^}]*\+json[^}]*\}o/.test(format);
  const line = isJson ? labelled(format) : render(parseLogFormat(format));
  return [
    ...(isJson ? [] : checkValues(parseLogFormat(format), statement, frontend, subject)),
    ...(isJson && !atLeast(subject, '3.0') ? [encodingUnknown(statement, section, shipped)] : []),
    ...checkFields(line, statement, frontend, shipped),
    ...checkErrorFormat(frontend, shipped),
  ];
}

function unset({ unset: names, ...at }: Statement, section: string, { shipped }: Subject): Finding {
  const wanted = new RegExp(`^setenv (${names.join('|')}) `);
  return finding('log-format-unset', section, at, {
    what: `${names.map((name) => `\${${name}}`).join(' and ')} is not set here`,
    why: 'HAProxy takes a variable that is not set, or only by a later line or file, for nothing: the lines are no records.',
    lines: proposed(shipped.global, wanted),
  });
}

function encodingUnknown(at: Statement, section: string, lines: readonly string[]): Finding {
  return finding('log-json', section, at, {
    what: '%{+json}o before HAProxy 3.0 is text',
    why: 'The agent reads one JSON object a line, and these lines are none: no spans.',
    lines: proposed(lines, /^log-format/),
  });
}

function checkValues(
  parts: readonly LogPart[],
  at: Statement,
  frontend: Frontend,
  subject: Subject,
): Finding[] {
  const findings: Finding[] = [];
  const seen = new Set<string>();
  for (const { value, quoted } of valuesOf(parts)) {
    if (seen.has(value.source)) continue;
    if (!quoted && !isNumber(value)) {
      seen.add(value.source);
      findings.push(
        finding('log-unquoted', frontend.section, at, {
          what: `${value.source} stands without quotes`,
          why: 'HAProxy prints - where it has no value, or more than digits: such a line is no JSON.',
          lines: [`"${value.source}"`],
        }),
      );
    } else if (
      quoted &&
      isUnescaped(value, (name) => isVariableUnescaped(name, frontend, subject))
    ) {
      seen.add(value.source);
      findings.push(
        finding('log-unescaped', frontend.section, at, {
          what: `${value.source} is written as it was sent`,
          why: 'A client that sends a quote or a backslash makes the line no JSON, and has its request hidden.',
          lines: [escaped(value)],
        }),
      );
    }
  }
  return findings;
}

function escaped({ kind, name }: LogValue): string {
  const samples: Readonly<Record<string, string>> = {
    HP: 'path',
    HPO: 'path',
    HQ: 'query',
    HU: 'pathq',
    r: 'capture.req.uri',
  };
  const expression = kind === 'sample' ? name : (samples[name] ?? 'capture.req.hdr(0)');
  return /^(path|pathq|query|url|base|req\.)/.test(expression)
    ? `http-request set-var(txn.otel.value) ${expression},json(utf8s)   # and "%[var(txn.otel.value)]" in the line`
    : `%[${expression},json(utf8s)]`;
}

type Place = { readonly value: LogValue; readonly quoted: boolean };

function valuesOf(parts: readonly LogPart[]): Place[] {
  let quoted = false;
  return parts.flatMap((part) => {
    if (part.kind !== 'text') return [{ value: part, quoted: quoted || part.flags.has('Q') }];
    for (const [token] of part.text.matchAll(/\\.|"/gs)) if (token === '"') quoted = !quoted;
    return [];
  });
}

/** What the line looks like as an object; undefined for a line that is none. */
type Rendered = {
  readonly fields: Readonly<Record<string, unknown>> | undefined;
  readonly text: string;
};

function render(parts: readonly LogPart[]): Rendered {
  const places = valuesOf(parts);
  let next = 0;
  const text = parts
    .map((part) => {
      if (part.kind === 'text') return part.text;
      const { quoted } = places[next++] ?? {};
      if (part.flags.has('Q')) return '"-"';
      // Milliseconds have three digits: behind seconds they are a number, alone they are none.
      return part.name === 'ms' ? '012' : quoted ? sampleText(part) : '1';
    })
    .join('');
  try {
    const value: unknown = JSON.parse(text);
    const fields = typeof value === 'object' && value !== null ? value : undefined;
    return { text, fields: fields as Rendered['fields'] };
  } catch {
    return { text, fields: undefined };
  }
}

/** The hop can be told from other values. */
function sampleText({ name }: LogValue): string {
  return name === 'var(txn.otel.hop)' ? 'hop' : '-';
}

/** From 3.0 on HAProxy writes the object, with the labels as names: `%(end)[date(0,us)]`. */
function labelled(format: string): Rendered {
  const labels = [
    ...format.matchAll(/%(?:\{[^}]*\})?\((\w+)(?::\w+)?\)(\[var\(txn\.otel\.hop\)\])?/g),
  ];
  const entries = labels.map(([, label = '', hop]) => [label, hop === undefined ? '-' : 'hop']);
  return { text: format, fields: Object.fromEntries(entries) };
}

function checkFields(
  { fields, text }: Rendered,
  at: Statement,
  { proxy, section, toPort }: Frontend,
  shipped: readonly string[],
): Finding[] {
  const lines = proposed(shipped, /^log-format/);
  if (fields === undefined) {
    return [
      finding('log-json', section, at, {
        what: `the lines are no JSON: ${flawOf(text)}`,
        why: 'The agent reads one JSON object a line: no spans.',
        lines,
      }),
    ];
  }
  const isTcp = fields.kind === 'tcp';
  if (isTcp !== (proxy.mode !== 'http')) {
    return [
      finding('log-format-mode', section, at, {
        what: isTcp
          ? 'the log format of connections in a frontend with "mode http"'
          : `the log format of requests in a frontend with "mode ${proxy.mode}"`,
        why: isTcp
          ? 'Requests are told as connections: no method, no status, not the ids that the server was told.'
          : 'A connection has no request: it is told without its kind, and is a span of a request that never was.',
        lines,
      }),
    ];
  }
  const findings: Finding[] = [];
  if (!isTcp && fields.hop !== 'hop') {
    findings.push(
      finding('log-hop-missing', section, at, {
        what: 'the line does not hand back the hop: there is no "hop":"%[var(txn.otel.hop)]"',
        why: 'The agent keeps nothing: without it each record starts a trace of its own.',
        lines: ['"hop":"%[var(txn.otel.hop)]"', ...lines],
      }),
    );
  }
  const missing = NEEDED.filter((name) => fields[name] === undefined);
  if (missing.length > 0) {
    findings.push(
      finding('log-field-missing', section, at, {
        what: `the line has no ${missing.map((name) => `"${name}"`).join(' and no ')}`,
        why: 'A line without them is no record: no spans.',
        lines: missing.map((name) => (name === 'end' ? '"end":%[date(0,us)]' : '"frontend":"%ft"')),
      }),
    );
  }
  if (toPort.length > 0 && fields.stopping === undefined) {
    findings.push(
      finding('log-stopping-missing', section, at, {
        what: 'the line has no "stopping"',
        why: 'The agent takes a datagram only if it says "stopping":1: what ends in a process that is stopping has no span.',
        lines: ['"stopping":%[stopping]'],
      }),
    );
  }
  return findings;
}

function flawOf(text: string): string {
  if (!text.trimStart().startsWith('{'))
    return `they start with ${JSON.stringify(text.slice(0, 24))}`;
  try {
    JSON.parse(text);
    return 'they are no object';
  } catch (error) {
    const at = Number(/position (\d+)/.exec(String(error))?.[1] ?? text.length);
    const near = text.slice(Math.max(0, at - 24), at + 8);
    return at >= text.length
      ? 'a quote or brace is not closed'
      : `the flaw is at the end of ${near}`;
  }
}

function checkErrorFormat({ proxy, section }: Frontend, shipped: readonly string[]): Finding[] {
  if (proxy.statements.some((line) => says(line, 'error-log-format'))) return [];
  return [
    finding('error-log-format-missing', section, proxy.head, {
      what: 'no error-log-format',
      why: 'Connections that fail before their first request, as in the TLS handshake, are not told.',
      lines: proposed(shipped, /^error-log-format/),
    }),
  ];
}
