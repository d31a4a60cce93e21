import { says } from '../haproxy/sections.ts';
import type { Statement } from '../haproxy/statements.ts';
import { type Finding, finding } from './finding.ts';
import { backendsOf, type Frontend, proposed, type Subject } from './subject.ts';
import { setVariable } from './variables.ts';

/** The digit of the trace flags in the hop that says whether it is sampled: README.md, "No line for the others". */
const SAMPLED_DIGIT = 'var(txn.otel.hop),bytes(51,1)';

const SILENT = 'txn.otel.silent';

/** What a user does not want in his log: whether it stays out of it, and that it has no span. */
export function checkSilence(frontend: Frontend, subject: Subject): Finding[] {
  const { section, proxy } = frontend;
  const backends = backendsOf(frontend, subject).flatMap(({ statements }) => statements);
  const all = [...proxy.statements, ...backends];
  const raise = proxy.statements.find(
    (line) => says(line, 'http-response', 'set-log-level') && line.words[2] !== 'silent',
  );
  const markers = all.filter(({ words }) => words.some((word) => setVariable(word) === SILENT));
  return all.filter(isSilent).map((silent) => {
    const condition = conditionOf(silent);
    const ratio = ['tcp-request content set-var(txn.otel.ratio) str(0)', ...condition].join(' ');
    const isMarked =
      raise === undefined ||
      (asksForMark(raise, proxy.statements) &&
        markers.some((marker) => conditionOf(marker).join(' ') === condition.join(' ')));
    if (isMarked || isLast(silent, raise, proxy.statements)) {
      return finding('log-silent', section, silent, {
        what: 'some requests are not logged',
        why: 'They have no span, and their servers are told of one. To leave out their traces, set txn.otel.ratio to 0.',
        lines: [ratio],
      });
    }
    const mark = [`${silent.words[0]} set-var(${SILENT}) bool(true)`, ...condition].join(' ');
    return finding('log-silent-undone', section, silent, {
      what: `what is silenced here is logged all the same where line ${raise.line} sets a level for the response`,
      why: 'HAProxy has no way to ask for the level that a request has: say beside this rule that it is silent.',
      lines: asksForMark(raise, proxy.statements)
        ? [mark]
        : [
            mark,
            ...proposed(subject.shipped.http, /^acl otel_silent|^http-response set-log-level/),
          ],
    });
  });
}

function isSilent({ words }: Statement): boolean {
  return (
    words[1] === 'set-log-level' &&
    words[2] === 'silent' &&
    // Of these there would be no span anyway.
    !words.some((word) => word.startsWith(SAMPLED_DIGIT))
  );
}

/** From `if` or `unless` on. */
function conditionOf({ words }: Statement): string[] {
  const at = words.findIndex((word) => word === 'if' || word === 'unless');
  return at === -1 ? [] : words.slice(at);
}

/** Whether the rule leaves alone what is marked, by a condition of its own or by an ACL. */
function asksForMark(raise: Statement, statements: readonly Statement[]): boolean {
  const acls = statements
    .filter(({ words }) => words[0] === 'acl' && words.slice(2).join(' ').includes(SILENT))
    .map(({ words }) => words[1]);
  return raise.words.some((word) => word.includes(SILENT) || acls.includes(word.replace('!', '')));
}

/** The last level that is set counts; responses run the rules of backends before those of the frontend. */
function isLast(silent: Statement, raise: Statement, own: readonly Statement[]): boolean {
  return silent.words[0] === 'http-response' && own.indexOf(silent) > own.indexOf(raise);
}
