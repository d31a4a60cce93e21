import type { ProxySection } from '../haproxy/proxies.ts';
import { type Finding, finding } from './finding.ts';
import { isConditional, requestRules } from './header-changes.ts';
import { type Frontend, proposed, type Subject } from './subject.ts';
import { setVariable } from './variables.ts';

/** Whether the agent is told, in time, whose traces to continue and which share of new ones to keep. */
export function checkTrust({ section, proxy }: Frontend, { shipped }: Subject): Finding[] {
  const findings: Finding[] = [];
  for (const setting of ['trust', 'ratio'] as const) {
    const variable = `txn.otel.${setting}`;
    const late = requestRules(proxy.statements).find(({ words }) =>
      words.some((word) => setVariable(word) === variable),
    );
    if (late === undefined) continue;
    const [, ...rest] = late.words;
    findings.push(
      finding(`${setting}-late`, section, late, {
        what: `${variable} is set when the agent was asked already`,
        why: 'The filter asks before http-request rules run: the agent is told nothing of it.',
        lines: [['tcp-request', 'content', ...rest].join(' ')],
      }),
    );
  }
  return findings.some(({ code }) => code === 'trust-late')
    ? findings
    : [...findings, ...checkTrusted(proxy, section, shipped.http)];
}

const TRUST_LINES = /^(acl|tcp-request) .*otel_trusted( src|$)/;

/** Of whom nothing is said is not trusted: lines that only say whom not to trust leave nobody. */
function checkTrusted(
  { statements, head }: ProxySection,
  section: string,
  shipped: readonly string[],
): Finding[] {
  const assuming = statements.find(({ words }) =>
    words.some((word) => word.includes('txn.otel.trust,continue')),
  );
  if (assuming !== undefined) {
    return [
      finding('trust-assumed', section, assuming, {
        what: 'who is not said to be trusted is trusted here',
        why: 'Where a rule above ends evaluation, baggage of anybody gets to the server, and while the agent is away traces too.',
        lines: [...proposed(shipped, /^acl otel_follow/), ...proposed(shipped, TRUST_LINES)],
      }),
    ];
  }
  const rules = statements.filter(({ words }) =>
    words.some((word) => setVariable(word) === 'txn.otel.trust'),
  );
  const [first] = rules;
  if (first === undefined) {
    return [
      finding('trust-missing', section, head, {
        what: 'no rule says whom to trust',
        why: "No caller's trace is continued here, and the agent warns of it. Say whom you trust, or nobody.",
        lines: proposed(shipped, TRUST_LINES),
      }),
    ];
  }
  const distrusts = rules.every(({ words }) => /^str\((restart|ignore)\)$/.test(words[3] ?? ''));
  if (!distrusts || !rules.every(isConditional)) return [];
  return [
    finding('trust-nobody', section, first, {
      what: 'rules say whom not to trust, and none whom to trust',
      why: 'Of whom nothing is said is not trusted: no trace is continued, as it was by lines of an older version.',
      lines: proposed(shipped, TRUST_LINES),
    }),
  ];
}
