import { changesHeader, removesHeader } from '../haproxy/headers.ts';
import type { Statement } from '../haproxy/statements.ts';
import type { HeaderFormat } from './options.ts';

/** What a rule of the user's does, by the name that `check` has for it. */
type HeaderFinding = readonly [
  code: 'header-removed' | 'header-overwritten' | 'header-added' | 'header-conditional',
  what: string,
  why: string,
];

/** The headers of each format; one that ends in `-` is a prefix. */
const HEADERS: Readonly<Record<HeaderFormat, readonly string[]>> = {
  tracecontext: [],
  baggage: [],
  b3: ['b3'],
  b3multi: ['x-b3-'],
  jaeger: ['uber-trace-id'],
  xray: ['x-amzn-trace-id'],
};
const ALWAYS = ['traceparent', 'tracestate'];

/** The effect of a rule behind ours, in the frontend or in a backend, on the headers that servers get. */
export function headerFindings(
  statement: Statement,
  propagators: readonly HeaderFormat[],
): HeaderFinding[] {
  const { words } = statement;
  if (words[0] !== 'http-request') return [];
  const written = [...ALWAYS, ...propagators.flatMap((name) => HEADERS[name])];
  return written.flatMap((header) => {
    if (removesHeader(statement, header)) {
      const why =
        'Servers start traces of their own: right for those of others, wrong for your own.';
      return [['header-removed', `${header} is removed`, why]];
    }
    return changesHeader(statement, header) ? [changed(statement, header)] : [];
  });
}

function changed({ words }: Statement, header: string): HeaderFinding {
  if (!ALWAYS.includes(header)) {
    const why = 'It contradicts traceparent: a server that reads it first continues another trace.';
    return ['header-overwritten', `${words[2]} is changed`, why];
  }
  if (words.includes('if') || words.includes('unless')) {
    const why = 'Where its condition holds the server gets another context than that of the span.';
    return ['header-conditional', `${header} is written by a rule of your own`, why];
  }
  if (words[1] === 'add-header') {
    const why = 'The server gets two, and starts a trace of its own.';
    return ['header-added', `a second ${header} is added`, why];
  }
  const why = 'The spans of the server are not below those of HAProxy.';
  return ['header-overwritten', `${header} is overwritten`, why];
}
