import { lastOf } from '../haproxy/proxies.ts';
import { says } from '../haproxy/sections.ts';
import type { Statement } from '../haproxy/statements.ts';
import { type Finding, finding } from './finding.ts';
import { isConditional, removesHeader, requestRules } from './header-changes.ts';
import { backendsOf, type Frontend, proposed, type Subject } from './subject.ts';
import { checkTrust } from './trust-rules.ts';
import { setVariable } from './variables.ts';

const TRACEPARENT = 'traceparent';

/** Headers of other formats, any of which may contradict traceparent. */
const OTHERS = ['b3', 'x-b3-', 'uber-trace-id', 'x-amzn-trace-id'];

/** What the server is told, and by whose word. */
export function checkHeaders(frontend: Frontend, subject: Subject): Finding[] {
  if (frontend.proxy.mode !== 'http' || frontend.engines.length === 0) return [];
  return [
    ...checkTraceparent(frontend, subject),
    ...checkOthers(frontend, subject),
    ...checkTrust(frontend, subject),
    ...checkWait(frontend, subject),
  ];
}

/** A rule about a header, by whatever case its name is written in. */
function about(rule: Statement, action: string, header: string): boolean {
  return says(rule, 'http-request', action) && rule.words[2]?.toLowerCase() === header;
}

function checkTraceparent(frontend: Frontend, subject: Subject): Finding[] {
  const { section, proxy } = frontend;
  const own = requestRules(proxy.statements);
  const behind = backendsOf(frontend, subject).flatMap(({ statements }) =>
    requestRules(statements),
  );
  const all = [...own, ...behind];
  const shipped = subject.shipped.http;
  const set = all.find((rule) => about(rule, 'set-header', TRACEPARENT));
  const added = all.find((rule) => about(rule, 'add-header', TRACEPARENT));
  const findings: Finding[] = [];
  if (added !== undefined) {
    findings.push(
      finding('header-added', section, added, {
        what: 'traceparent is added, not set',
        why: 'Where the client sent one the server gets two, and starts a trace of its own.',
        lines: proposed(shipped, /set-header traceparent/),
      }),
    );
  } else if (set === undefined) {
    return [
      finding('header-missing', section, proxy.head, {
        what: 'traceparent is not set',
        why: 'The server gets what the client sent, or nothing: its spans are not below those of HAProxy.',
        lines: proposed(shipped, /-header (traceparent|tracestate)/),
      }),
    ];
  } else {
    findings.push(...checkOrder(own, behind, set, frontend, shipped));
  }
  if (
    !all.some(
      (rule) =>
        /^(set|del)-header$/.test(rule.words[1] ?? '') &&
        rule.words[2]?.toLowerCase() === 'tracestate',
    )
  ) {
    findings.push(
      finding('tracestate-missing', section, set ?? added ?? proxy.head, {
        what: 'tracestate is neither set nor removed',
        why: 'The server gets the one that the client sent beside a traceparent that is not its own.',
        lines: proposed(shipped, /-header tracestate/),
      }),
    );
  }
  return findings;
}

function checkOrder(
  own: readonly Statement[],
  behind: readonly Statement[],
  set: Statement,
  { section, engines }: Frontend,
  shipped: readonly string[],
): Finding[] {
  const findings: Finding[] = [];
  const all = [...own, ...behind];
  const at = all.indexOf(set);
  const decides = (rule: Statement): boolean =>
    (rule.words[1] === 'send-spoe-group' && engines.some(({ name }) => name === rule.words[2])) ||
    rule.words.some((word) => setVariable(word) === 'txn.otel.traceparent');
  const late = all.find((rule, index) => index > at && decides(rule));
  if (late !== undefined) {
    findings.push(
      finding('header-early', section, set, {
        what: `traceparent is set before line ${late.line} decides what it is`,
        why: 'Rules run in order: the server gets an empty header where the value comes later.',
        lines: [`# behind line ${late.line}`, set.words.join(' ')],
      }),
    );
  }
  const removed = all.find((rule, index) => index > at && removesHeader(rule, TRACEPARENT));
  if (removed !== undefined) {
    const isMeant = behind.includes(removed) || isConditional(removed);
    findings.push(
      isMeant
        ? finding('header-withheld', section, removed, {
            what: 'traceparent is not told to all servers',
            why: 'Those that get none start traces of their own: right for servers of others, wrong for your own.',
          })
        : finding('header-removed', section, removed, {
            what: 'traceparent is removed after it was set',
            why: `The server gets none and starts a trace of its own. What the client sent is gone already by line ${set.line}.`,
          }),
    );
  }
  const cleared = all.slice(0, at).some((rule) => removesHeader(rule, TRACEPARENT));
  if (isConditional(set) && !cleared) {
    findings.push(
      finding('header-conditional', section, set, {
        what: 'traceparent is set under a condition',
        why: 'Where it does not hold, what the client sent gets through to the server.',
        lines: proposed(shipped, /set-header traceparent/),
      }),
    );
  }
  const hasFallback = all.some((rule) =>
    rule.words.some((word) => setVariable(word) === 'txn.otel.hop'),
  );
  if (!hasFallback) {
    findings.push(
      finding('fallback-missing', section, set, {
        what: 'nothing stands in for an agent that does not answer',
        why: 'While it is away traces break here, and these requests have no span.',
        lines: proposed(
          shipped,
          /^acl otel_(?!trusted)|set-var(-fmt)?\(txn\.otel\.(hop|traceparent|tracestate)\)/,
        ),
      }),
    );
  }
  return findings;
}

function checkOthers({ section, proxy }: Frontend, { shipped }: Subject): Finding[] {
  const findings: Finding[] = [];
  const own = requestRules(proxy.statements);
  const handled = (header: string): boolean =>
    own.some(
      ({ words }) =>
        /^(set|del)-header$/.test(words[1] ?? '') && words[2]?.toLowerCase().startsWith(header),
    );
  const passed = OTHERS.filter((header) => !handled(header));
  if (passed.length > 0) {
    findings.push(
      finding('other-formats', section, proxy.head, {
        what: `${passed.map((name) => (name.endsWith('-') ? `${name}*` : name)).join(', ')} of clients get through`,
        why: 'A server that reads them before traceparent continues another trace.',
        lines: proposed(shipped.http, new RegExp(`del-header (${passed.join('|')})( |$)`)),
      }),
    );
  }
  return findings;
}

/** The two moments between which a request waits for the agent. */
function checkWait({ section, proxy }: Frontend, { shipped }: Subject): Finding[] {
  const missing = (['received', 'answered'] as const).filter(
    (name) =>
      !proxy.statements.some(({ words }) =>
        words.some((word) => setVariable(word) === `txn.otel.${name}`),
      ),
  );
  const format = lastOf(proxy.statements, 'log-format');
  const record = format?.words[1] ?? '';
  if (missing.length === 0) {
    if (format === undefined || !/"answered":/.test(record) || /"wait":/.test(record)) return [];
    return [
      finding('agent-wait-unbounded', section, format, {
        what: 'the line does not have how long HAProxy waited for this agent',
        why: 'haproxy.phase.agent_us has the waits for a body and for other engines in it.',
        lines: proposed(shipped.global, /^setenv OTEL_TIMES/),
      }),
    ];
  }
  return [
    finding('agent-wait-missing', section, proxy.head, {
      what: `nothing sets ${missing.map((name) => `txn.otel.${name}`).join(' and ')}`,
      why: 'How long requests wait for the agent is on no span, and starts are known to the millisecond only.',
      lines: proposed(shipped.http, new RegExp(`set-var\\(txn\\.otel\\.(${missing.join('|')})\\)`)),
    }),
  ];
}
