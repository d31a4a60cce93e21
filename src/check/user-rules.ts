import { isPublic, parseAddress } from '../haproxy/addresses.ts';
import { statementsWith } from '../haproxy/proxies.ts';
import type { Statement } from '../haproxy/statements.ts';
import { headerFindings } from '../wiring/header-rules.ts';
import type { PlannedFrontend } from '../wiring/plan.ts';
import type { Wired } from '../wiring/wire.ts';
import { type Finding, finding, type LineFinding } from './finding.ts';
import type { Subject } from './subject.ts';

/** What the user's rules may set: all other variables are the agent's and those of the lines. */
const SETTABLE = 'txn.otel.trust, .ratio, .route';
const RESERVED =
  /^(hop|traceparent|tracestate|received|asked|answered|wait|request|peer|target|record|reported|server_tls|silent)$/;

/** Rules of the user that undo what the lines do. */
export function checkRules({ clean, plan, options }: Wired, subject: Subject): Finding[] {
  const { current, files } = subject;
  const findings = new Map<string, Finding>();
  for (const frontend of plan.frontends) {
    const { proxy, reporting } = frontend;
    if (reporting?.kind !== 'http') continue;
    const section = `${proxy.kind} ${proxy.name}`;
    for (const statement of statementsWith(proxy, clean.proxies)) {
      const found = [
        ...headerFindings(statement, options.propagators),
        ...variableFindings(statement),
        ...trustFindings(statement, frontend, options.trust === 'continue'),
      ];
      const at = files.positionOf(statement);
      for (const [code, what, why] of found) {
        const key = `${code} ${at.file}:${at.line}`;
        if (!findings.has(key)) findings.set(key, finding(code, section, at, what, why));
      }
    }
  }
  return [...findings.values(), ...skipped(subject), ...environmentFindings(current)];
}

function variableFindings({ words: [keyword = '', ...rest] }: Statement): LineFinding[] {
  return rest.flatMap((word): LineFinding[] => {
    const name = /^(?:un)?set-var(?:-fmt)?\(txn\.otel\.([a-z_0-9]+)/.exec(word)?.[1] ?? '';
    if (keyword.startsWith('http-') && (name === 'trust' || name === 'ratio')) {
      const why = `The filter asks before http-request rules run: "tcp-request content ${rest.join(' ')}" is in time.`;
      return [['trust-late', `txn.otel.${name} is set when the agent was asked already`, why]];
    }
    if (!RESERVED.test(name)) return [];
    const why = `It is part of the record; yours to set are ${SETTABLE}, and names of your own.`;
    return [['variable-overwritten', `txn.otel.${name} is set by a rule of your own`, why]];
  });
}

function trustFindings(
  { words: [keyword, action = ''] }: Statement,
  { trust }: PlannedFrontend,
  isEverybody: boolean,
): LineFinding[] {
  const byAddress = trust === 'private' || (typeof trust !== 'string' && trust.networks.length > 0);
  if (keyword === 'http-request' && action === 'set-src' && byAddress) {
    const why =
      'When it is decided whose trace is continued "src" is still what is in front of HAProxy: its clients are all trusted, or none.';
    return [['trust-hidden', "the address that is trusted is not the client's", why]];
  }
  const isEdge = action.split(',').some((address) => isPublic(parseAddress(address)));
  if (keyword !== 'bind' || !isEverybody || !isEdge) return [];
  const why = 'Whoever reaches this address chooses trace ids and what is sampled.';
  return [['trust-everybody', 'anybody can continue a trace here', why]];
}

/** Actions of `http-request` that answer in place of a server, or may. */
const ANSWER = /^(deny|tarpit|redirect|return|auth|reject|silent-drop|use-service|lua\..*)$/;

/** Rules of the user's defaults that end the evaluation before those that stand in the frontend itself. */
function skipped({ current }: Subject): Finding[] {
  const isOurs = ({ words }: Statement): boolean =>
    words.some((word) => word.startsWith('set-var(txn.otel.received'));
  return current.proxies.flatMap(({ kind, name, own, statements }) => {
    if (!own.some(isOurs)) return [];
    const inherited = statements.slice(0, statements.length - own.length);
    return inherited.flatMap((at) =>
      skippedBy(at).map(([code, what, why]) => finding(code, `${kind} ${name}`, at, what, why)),
    );
  });
}

function skippedBy({ words: [keyword, first = '', second] }: Statement): LineFinding[] {
  if (keyword === 'tcp-request' && first === 'content' && second === 'accept') {
    const what = 'this rule of "defaults" ends what would decide whose trace is continued';
    const why = 'It runs before the rules of the frontend: nobody is trusted where it holds.';
    return [['rules-skipped', what, why]];
  }
  if (keyword !== 'http-request') return [];
  if (first === 'allow') {
    const what = 'this rule of "defaults" ends what would set the headers';
    const why =
      "What it allows gets to the server with the client's own traceparent, whoever that is.";
    return [['headers-skipped', what, why]];
  }
  if (!ANSWER.test(first)) return [];
  const what = 'this rule of "defaults" answers before the request is described';
  const why = 'The spans of what it answers have no path, host and user agent.';
  return [['record-skipped', what, why]];
}

function environmentFindings({ proxies, environment, files }: Subject['current']): Finding[] {
  const unset = proxies
    .flatMap(({ statements }) => statements)
    .find((line) => line.unset.some((name) => name.startsWith('OTEL_RECORD_')));
  const what = `${unset?.unset.join(', ')} is not set any more`;
  const why = '"unsetenv" or "resetenv" takes it away before this line: records are empty.';
  const found = unset === undefined ? [] : [finding('record-unset', '', unset, what, why)];
  const attributes = environment.get('OTEL_ATTRIBUTES') ?? '';
  if (/^(\s*[^\s="\]]+="(\\.|[^"\\])*"\s*)*$/.test(attributes)) return found;
  const at = { file: files[0] ?? '', line: 1 };
  const form = 'It stands in each record: name="value", with blanks between them, is accepted.';
  return [
    ...found,
    finding('attributes-form', 'global', at, `OTEL_ATTRIBUTES is ${attributes}`, form),
  ];
}
