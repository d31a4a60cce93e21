import { lastOf } from '../haproxy/proxies.ts';
import type { Statement } from '../haproxy/statements.ts';
import { type Finding, finding } from './finding.ts';
import {
  changesHeader,
  isConditional,
  isOfAgent,
  removesHeader,
  requestRules,
} from './header-changes.ts';
import { backendsOf, type Frontend, proposed, type Subject } from './subject.ts';

const HEADER = 'x-request-id';
const READ = 'http-request set-var(txn.otel.request_id) req.fhdr(x-request-id),json(utf8s)';

/** Does nothing where there is one already. */
const IF_MISSING = /(unless|!) ?\{ req\.f?hdr(_cnt)?\(x-request-id\)/i;

/** Whether the server gets one request id, and the span that one. */
export function checkRequestId(frontend: Frontend, subject: Subject): Finding[] {
  const { section, proxy, engines } = frontend;
  if (proxy.mode !== 'http' || engines.length === 0) return [];
  const own = requestRules(proxy.statements);
  const all = [
    ...own,
    ...backendsOf(frontend, subject).flatMap(({ statements }) => requestRules(statements)),
  ];
  const uniqueId = lastOf(proxy.statements, 'unique-id-header');
  if (uniqueId !== undefined && uniqueId.words[1]?.toLowerCase() === HEADER) {
    return checkUniqueId(uniqueId, all, section);
  }
  const changes = all.filter((rule) => changesHeader(rule, HEADER) || removesHeader(rule, HEADER));
  const [first] = changes;
  if (first === undefined) {
    if (uniqueId !== undefined) return [];
    return [
      finding('request-id-missing', section, proxy.head, {
        what: 'no request id: neither x-request-id nor unique-id-header is set',
        why: 'A line in the log of a server cannot be found in its trace, nor a trace by what a user reports.',
        lines: proposed(subject.shipped.http, /^http-request .*x-request-id(\)| %)/),
      }),
    ];
  }
  return [...checkSpan(changes, all, section), ...checkReplaced(changes, section)];
}

/** HAProxy adds the header behind all rules, whatever is there. */
function checkUniqueId(uniqueId: Statement, all: readonly Statement[], section: string): Finding[] {
  const last = all.findLast((rule) => changesHeader(rule, HEADER) || removesHeader(rule, HEADER));
  if (last !== undefined && removesHeader(last, HEADER) && !isConditional(last)) return [];
  const set = last !== undefined && changesHeader(last, HEADER) ? last : undefined;
  return [
    finding('request-id-twice', section, set ?? uniqueId, {
      what:
        set === undefined
          ? `line ${uniqueId.line} adds x-request-id to the one that a client sends`
          : `x-request-id is set here, and line ${uniqueId.line} adds another`,
      why: 'The server gets two, and the span names one of them.',
      lines: [
        'http-request del-header x-request-id',
        'http-request set-var(txn.otel.request_id) unique-id,json(utf8s)',
      ],
    }),
  ];
}

function checkSpan(
  changes: readonly Statement[],
  all: readonly Statement[],
  section: string,
): Finding[] {
  const read = all.findLastIndex(({ words }) =>
    words.some((word) => word.includes('set-var(txn.otel.request_id)')),
  );
  const reader = all[read];
  if (reader === undefined) {
    const last = changes.at(-1);
    if (last === undefined || removesHeader(last, HEADER)) return [];
    return [
      finding('request-id-unread', section, last, {
        what: 'x-request-id is set, and nothing sets txn.otel.request_id to it',
        why: 'The server gets a request id that is on no span.',
        lines: [READ],
      }),
    ];
  }
  return changes
    .filter((rule) => all.indexOf(rule) > read && !IF_MISSING.test(rule.words.join(' ')))
    .map((rule) =>
      finding('request-id-untrue', section, rule, {
        what: `x-request-id is changed behind line ${reader.line}, which reads it for the span`,
        why: 'The span has another request id than the server, or none: read it behind the last rule that changes it.',
        lines: [`# behind line ${rule.line}`, READ],
      }),
    );
}

/** Ours replaces what a rule above set, except where the client is trusted. */
function checkReplaced(changes: readonly Statement[], section: string): Finding[] {
  const at = changes.findIndex((rule) => isOfAgent(rule) && rule.words[1] === 'set-header');
  const ours = changes[at];
  if (ours === undefined) return [];
  return changes
    .slice(0, at)
    .filter((rule) => changesHeader(rule, HEADER))
    .map((rule) =>
      finding('request-id-replaced', section, rule, {
        what: `line ${ours.line} sets x-request-id again where the client is not trusted`,
        why: 'The server gets that one, and so does the span. For the one of this line leave that line out.',
        lines: [`# in place of line ${ours.line}`, READ],
      }),
    );
}
