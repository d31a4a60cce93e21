import type { ShippedLines } from '../haproxy/shipped.ts';

/** Whose traces are continued: an own name for what is meant, or the networks of those who are trusted. */
export const TRUSTS = ['private', 'continue', 'restart', 'ignore'] as const;
export type Trust = (typeof TRUSTS)[number] | { readonly networks: readonly string[] };

/** Formats beside W3C's that are read, written, or both. */
export const PROPAGATORS = ['tracecontext', 'baggage', 'b3', 'b3multi', 'jaeger', 'xray'] as const;
export type Propagator = (typeof PROPAGATORS)[number];

export const PARTS = ['global', 'sections', 'frontend'] as const;
export type Part = (typeof PARTS)[number];

export type SnippetOptions = {
  readonly frontend: string;
  readonly mode: 'http' | 'tcp';
  readonly trust: Trust;
  readonly propagators: readonly Propagator[];
  readonly parts: readonly Part[];
};

/** Engines read a format where HAProxy's configuration sets this variable. */
const READS: Readonly<Partial<Record<Propagator, string>>> = {
  b3: 'OTEL_B3',
  b3multi: 'OTEL_B3',
  jaeger: 'OTEL_JAEGER',
  xray: 'OTEL_XRAY',
};

/** The lines to add, each part under the name of the section that it belongs to. */
export function makeSnippet(shipped: ShippedLines, options: SnippetOptions): string {
  const { frontend, mode, parts } = options;
  const texts: Readonly<Record<Part, () => readonly string[]>> = {
    global: () => [
      '# Into "global", or as it is before all other sections.',
      'global',
      ...indent([...formatsRead(options), ...chosen(shipped.global, options)]),
    ],
    sections: () => [
      '# Once, beside the other sections; before the first "defaults" where those have names.',
      ...shipped.sections,
    ],
    frontend: () => [
      `# Into the frontend "${frontend}", before its own rules; these log lines replace its own.`,
      `frontend ${frontend}`,
      ...indent(mode === 'tcp' ? shipped.tcp : httpLines(shipped, options)),
    ],
  };
  return `${PARTS.filter((part) => parts.includes(part))
    .map((part) => texts[part]().join('\n').trimEnd())
    .join('\n\n')}\n`;
}

/** Before anything that reads them. */
function formatsRead({ propagators, mode }: SnippetOptions): string[] {
  if (mode === 'tcp') return [];
  const variables = propagators.map((name) => READS[name]).filter((name) => name !== undefined);
  return [...new Set(variables)].map((name) => `setenv ${name} on`);
}

function httpLines(shipped: ShippedLines, options: SnippetOptions): string[] {
  const written = options.propagators.flatMap((name) => shipped.formats[name] ?? []);
  return chosen(shipped.http, options).flatMap((line) => {
    // What is removed of other formats is set again behind it.
    if (/^http-request del-header x-amzn-trace-id/.test(line)) return [line, ...written];
    return [line];
  });
}

/** The lines of the example, with those in place that are a matter of choice. */
function chosen(lines: readonly string[], { trust, propagators }: SnippetOptions): string[] {
  return lines.flatMap((line) => {
    if (line.startsWith('acl otel_trusted ')) return [`acl otel_trusted ${trusted(trust, line)}`];
    if (/^tcp-request content set-var\(txn\.otel\.trust\) str\(restart\)/.test(line)) {
      return [trust === 'ignore' ? line.replace('str(restart)', 'str(ignore)') : line];
    }
    // A route of the example is nobody's own.
    if (/^http-request set-var\(txn\.otel\.route\)/.test(line)) return [`# ${line}`];
    const isBaggage = /^# (setenv OTEL_BAGGAGE|http-request set-var\(txn\.otel\.baggage\))/.test(
      line,
    );
    return [isBaggage && propagators.includes('baggage') ? line.slice(2) : line];
  });
}

/** The criterion of the rule, as the example has it for private networks. */
function trusted(trust: Trust, line: string): string {
  if (typeof trust !== 'string') return `src ${trust.networks.join(' ')}`;
  switch (trust) {
    case 'private':
      return line.slice('acl otel_trusted '.length);
    case 'continue':
      return 'always_true';
    case 'restart':
    case 'ignore':
      return 'always_false';
    default:
      return trust satisfies never;
  }
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => (line === '' ? '' : `    ${line}`));
}
