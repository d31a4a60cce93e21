import { says } from '../haproxy/sections.ts';
import type { Statement } from '../haproxy/statements.ts';
import { type Finding, finding } from './finding.ts';
import {
  CONTEXT_HEADERS,
  changesHeader,
  isContextHeader,
  isOfAgent,
  removesHeader,
  requestRules,
} from './header-changes.ts';
import { backendsOf, type Frontend, type Subject } from './subject.ts';
import { setVariable } from './variables.ts';

/** Actions of `http-request` that answer in place of a server, or may. */
const ANSWERS = [
  ...['deny', 'tarpit', 'redirect', 'return', 'auth', 'reject', 'silent-drop', 'use-service'],
];

/** What a rule of the user's own undoes because it stands above ours, or behind. */
export function checkOrder(frontend: Frontend, subject: Subject): Finding[] {
  if (frontend.proxy.mode !== 'http' || frontend.engines.length === 0) return [];
  return [
    ...checkContentRules(frontend),
    ...checkRequestRules(frontend),
    ...checkBehind(frontend, subject),
  ];
}

/** The statements before the last one that `isOurs`, and that one. */
function above(
  statements: readonly Statement[],
  isOurs: (statement: Statement) => boolean,
): { readonly ours: Statement; readonly before: readonly Statement[] } | undefined {
  const at = statements.findLastIndex(isOurs);
  const ours = statements[at];
  return ours && { ours, before: statements.slice(0, at) };
}

function checkContentRules({ section, proxy }: Frontend): Finding[] {
  const rules = proxy.statements.filter((line) => says(line, 'tcp-request', 'content'));
  const found = above(rules, ({ words }) =>
    /^txn\.otel\.(trust|ratio|received)$/.test(setVariable(words[2] ?? '') ?? ''),
  );
  if (found === undefined) return [];
  const { ours, before } = found;
  return before
    .filter(({ words }) => words[2] === 'accept')
    .map((rule) =>
      finding('trust-skipped', section, rule, {
        what: `"tcp-request content accept" ends these rules before line ${ours.line}`,
        why: 'Of what it accepts nobody says whom to trust, and no trace is continued: put it behind the lines of the agent.',
        lines: [`# behind line ${ours.line}`, rule.words.join(' ')],
      }),
    );
}

function checkRequestRules({ section, proxy }: Frontend): Finding[] {
  const rules = requestRules(proxy.statements);
  const headers = above(rules, (rule) =>
    CONTEXT_HEADERS.some(
      (name) => removesHeader(rule, name) || (isOfAgent(rule) && changesHeader(rule, name)),
    ),
  );
  const skipped = (headers?.before ?? [])
    .filter(({ words }) => words[1] === 'allow')
    .map((rule) =>
      finding('headers-skipped', section, rule, {
        what: `"http-request allow" ends these rules before line ${headers?.ours.line}`,
        why: "What it allows gets to the server with the client's own traceparent, whoever that is: put it behind the lines of the agent.",
        lines: [`# behind line ${headers?.ours.line}`, rule.words.join(' ')],
      }),
    );
  const described = above(rules, ({ words }) =>
    words.some((word) => setVariable(word) === 'txn.otel.pathq'),
  );
  const unnamed = (described?.before ?? [])
    .filter(({ words: [, action = ''] }) => ANSWERS.includes(action) || action.startsWith('lua.'))
    .map((rule) =>
      finding('record-skipped', section, rule, {
        what: `"http-request ${rule.words[1]}" ${rule.words[1]?.startsWith('lua.') ? 'may end' : 'ends'} these rules before line ${described?.ours.line}`,
        why: 'The spans of what it answers have no path, host and user agent: put it behind the lines of the agent.',
        lines: [`# behind line ${described?.ours.line}`, rule.words.join(' ')],
      }),
    );
  return [...skipped, ...unnamed];
}

/** Rules behind ours, in the frontend or in a backend, that set a header to something else. */
function checkBehind(frontend: Frontend, subject: Subject): Finding[] {
  const { section, proxy } = frontend;
  const backends = backendsOf(frontend, subject).flatMap(({ statements }) =>
    requestRules(statements),
  );
  const all = [...requestRules(proxy.statements), ...backends];
  const findings: Finding[] = [];
  const told = all.find((rule) => isOfAgent(rule) && changesHeader(rule, 'traceparent'));
  if (told === undefined) return [];
  for (const rule of all.slice(all.indexOf(told) + 1)) {
    const name = isContextHeader(rule.words[2]);
    if (name === undefined || isOfAgent(rule) || !changesHeader(rule, name)) continue;
    // Another finding tells of it.
    if (name === 'traceparent' && rule.words[1] === 'add-header') continue;
    findings.push(
      finding('header-overwritten', section, rule, {
        what: `${rule.words[2]} is changed behind line ${told.line}`,
        why:
          name === 'traceparent' || name === 'tracestate'
            ? 'The server continues another trace than that of this request, or starts one of its own.'
            : 'It contradicts traceparent: a server that reads it first continues another trace.',
      }),
    );
  }
  const state = all.findLast((rule) => isOfAgent(rule) && changesHeader(rule, 'tracestate'));
  const removed =
    state && all.slice(all.indexOf(state) + 1).find((r) => removesHeader(r, 'tracestate'));
  if (removed !== undefined) {
    findings.push(
      finding('header-withheld', section, removed, {
        what: 'tracestate is not told to all servers',
        why: 'What other systems on the way put there is lost: right for servers of others, wrong for your own.',
      }),
    );
  }
  return findings;
}
