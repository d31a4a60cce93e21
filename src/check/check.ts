import type { ProxyKind } from '../haproxy/proxies.ts';
import { checkAgent } from './agent-rules.ts';
import { checkConfiguration } from './configuration-rules.ts';
import { checkEngine } from './engine-rules.ts';
import { checkBackendFilters, checkFilter } from './filter-rules.ts';
import { type Finding, SEVERITY_ORDER } from './finding.ts';
import { checkHeaders } from './header-rules.ts';
import { checkLogFormat } from './log-format-rules.ts';
import { checkLoggers } from './log-rules.ts';
import { checkOrder } from './order-rules.ts';
import { checkRequestId } from './request-id-rules.ts';
import { checkRings } from './ring-rules.ts';
import { checkSilence } from './silence-rules.ts';
import { type Frontend, frontendsOf, type Subject, tracedFrontends } from './subject.ts';

/** What became of one frontend. */
export type CheckedFrontend = {
  readonly kind: ProxyKind;
  readonly name: string;
  readonly mode: string;
  /** Whether it has anything to do with the agent. */
  readonly traced: boolean;
};

export type Checked = {
  readonly frontends: readonly CheckedFrontend[];
  /** In the order of the configuration. */
  readonly findings: readonly Finding[];
};

type Rule = (frontend: Frontend, subject: Subject) => Finding[];

const RULES: readonly Rule[] = [
  checkFilter,
  checkEngine,
  checkAgent,
  checkRings,
  checkLoggers,
  checkLogFormat,
  checkSilence,
  checkHeaders,
  checkOrder,
  checkRequestId,
];

/** Looks at all that the agent depends on. What several frontends share is told once. */
export function check(subject: Subject): Checked {
  const traced = tracedFrontends(subject);
  const findings = [
    ...checkConfiguration(traced, subject),
    ...checkBackendFilters(subject),
    ...traced.flatMap((frontend) => RULES.flatMap((rule) => rule(frontend, subject))),
  ];
  const proxies = new Set(traced.map(({ proxy }) => proxy));
  return {
    frontends: frontendsOf(subject).map((proxy) => ({
      kind: proxy.kind,
      name: proxy.name,
      mode: proxy.mode,
      traced: proxies.has(proxy),
    })),
    findings: inOrder(once(findings), subject.configuration.files),
  };
}

/**
 * Frontends share backends, rings, engine files and defaults. That a ring is too small for its lines each of them says
 * in its own figures: the worst stands for all.
 */
function once(findings: readonly Finding[]): Finding[] {
  const first = new Map<string, Finding>();
  for (const each of findings.toSorted((a, b) => rankOf(a) - rankOf(b))) {
    const { code, file, line, what } = each;
    const said = code.startsWith('ring-maxlen-') ? 'ring-maxlen' : `${code} ${what}`;
    const key = `${said} ${file}:${line}`;
    if (!first.has(key)) first.set(key, each);
  }
  return [...first.values()];
}

function rankOf({ severity }: Finding): number {
  return SEVERITY_ORDER.indexOf(severity);
}

export function inOrder(findings: readonly Finding[], files: readonly string[]): Finding[] {
  const rank = ({ file }: Finding): number => {
    const at = files.indexOf(file);
    return at === -1 ? files.length : at;
  };
  return findings.toSorted((a, b) => rank(a) - rank(b) || a.line - b.line);
}
