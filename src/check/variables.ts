import { parseLogFormat } from '../haproxy/log-format.ts';
import type { Statement } from '../haproxy/statements.ts';
import { hasSafeConverter, isUnescaped } from './log-values.ts';
import type { Frontend, Subject } from './subject.ts';

/** What the agent passes on as a caller sent it. */
const OF_CALLERS = 'txn.otel.tracestate';

/** Made of digits and dashes by the agent, and by the rules that stand in for it. */
const IDS = ['txn.otel.hop', 'txn.otel.traceparent'];

type Assignment = { readonly expression: string; readonly isFormat: boolean };

/** Whether a variable may hold what a client sent, and no rule that sets it escapes that. */
export function isVariableUnescaped(name: string, frontend: Frontend, subject: Subject): boolean {
  if (IDS.includes(name)) return false;
  const own = assignments(name, frontend.proxy.statements);
  const all =
    own.length > 0
      ? own
      : subject.configuration.proxies.flatMap(({ statements }) => assignments(name, statements));
  if (all.some(({ expression, isFormat }) => !isFormat && hasSafeConverter(expression)))
    return false;
  if (name === OF_CALLERS) return true;
  return all.some((assignment) =>
    expressionsOf(assignment).some((expression) =>
      isUnescaped({ kind: 'sample', name: expression }, (other) =>
        other === name ? false : other === OF_CALLERS,
      ),
    ),
  );
}

function expressionsOf({ expression, isFormat }: Assignment): string[] {
  if (!isFormat) return [expression];
  return parseLogFormat(expression).flatMap((part) => (part.kind === 'sample' ? [part.name] : []));
}

function assignments(name: string, statements: readonly Statement[]): Assignment[] {
  return statements.flatMap(({ words }) => {
    const at = words.findIndex((word) => setVariable(word) === name);
    const expression = words[at + 1];
    if (at === -1 || expression === undefined) return [];
    return [{ expression, isFormat: words[at]?.startsWith('set-var-fmt') === true }];
  });
}

/** The variable that a word of a rule sets, as `set-var(txn.a)` and `set-var-fmt(txn.a)` do. */
export function setVariable(word: string): string | undefined {
  return /^set-var(?:-fmt)?\(([^,)]+)/.exec(word)?.[1];
}
