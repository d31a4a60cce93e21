import { lastOf } from '../haproxy/proxies.ts';
import { says } from '../haproxy/sections.ts';
import type { Statement } from '../haproxy/statements.ts';
import { type Finding, finding } from './finding.ts';
import { atLeast, backendsOf, type Frontend, proposed, type Subject } from './subject.ts';
import { setVariable } from './variables.ts';

const SENT = 'txn.otel.sent';
const SERVER_STATUS = 'txn.otel.server_status';

/** Whether it is known what a server was sent and what it answered, and nothing of the user's is lost for it. */
export function checkSent(frontend: Frontend, subject: Subject): Finding[] {
  if (frontend.proxy.mode !== 'http' || frontend.engines.length === 0) return [];
  return [...checkUniqueId(frontend, subject), ...checkStatus(frontend, subject)];
}

function checkUniqueId(frontend: Frontend, subject: Subject): Finding[] {
  const { section, proxy } = frontend;
  const format = lastOf(proxy.statements, 'unique-id-format');
  if (format !== undefined && notesSent(format)) {
    const own = proxy.statements.find(
      (line) =>
        says(line, 'unique-id-header') || (says(line, 'unique-id-format') && !notesSent(line)),
    );
    if (own === undefined) return [];
    return [
      finding('unique-id-replaced', section, format, {
        what: `takes the place of your own id: "${own.words.slice(0, 2).join(' ')}"`,
        why: 'A frontend has one unique-id-format: in place of your ids servers and logs get the path. Leave this line out; the rule below, as the last of each backend, does the same.',
        lines: [`http-request set-var(${SENT}) url,json(utf8s)`],
      }),
    ];
  }
  const all = [proxy, ...backendsOf(frontend, subject)];
  if (all.some(({ statements }) => statements.some((line) => sets(line, SENT)))) return [];
  return [
    finding('sent-missing', section, proxy.head, {
      what: `nothing sets ${SENT}`,
      why: 'What the server was sent is not known where rules may change it: CLIENT spans have no url.full.',
      lines:
        format === undefined
          ? proposed(subject.shipped.http, /^unique-id-format/)
          : [`http-request set-var(${SENT}) url,json(utf8s)   # as the last rule of each backend`],
    }),
  ];
}

function notesSent({ words }: Statement): boolean {
  return words[1]?.includes(`set-var(${SENT}`) === true;
}

function sets({ words }: Statement, variable: string): boolean {
  return words.some((word) => setVariable(word) === variable);
}

/** Before 3.0 HAProxy forgets what a server answered where a rule of the backend changes it. */
function checkStatus(frontend: Frontend, subject: Subject): Finding[] {
  if (atLeast(subject, '3.0')) return [];
  return backendsOf(frontend, subject).flatMap(({ name, statements }) => {
    const at = statements.findIndex((line) => says(line, 'http-response', 'set-status'));
    const rule = statements[at];
    if (rule === undefined || statements.slice(0, at).some((line) => sets(line, SERVER_STATUS))) {
      return [];
    }
    return [
      finding('server-status-changed', `backend ${name}`, rule, {
        what: 'the status is changed before it is noted',
        why: 'Before HAProxy 3.0 the CLIENT span has the changed status in place of what the server answered.',
        lines: [`http-response set-var(${SERVER_STATUS}) status`, rule.words.join(' ')],
      }),
    ];
  });
}
