import { type Finding, finding } from './finding.ts';
import { enginesOf, type Frontend, proposed, type Subject } from './subject.ts';

/** Whether HAProxy asks the agent at all, and once. */
export function checkFilter(frontend: Frontend, subject: Subject): Finding[] {
  const { proxy, section, engines } = frontend;
  const [first, second] = engines;
  if (first === undefined) {
    return proxy.mode === 'http' ? [missing(frontend, subject)] : [];
  }
  if (proxy.mode !== 'http') {
    return [
      finding('filter-in-tcp', section, first.filter, {
        what: `the filter does nothing in "mode ${proxy.mode}"`,
        why: 'The engine asks once per HTTP request, and there are none. A connection is a span by its log line alone.',
        lines: subject.shipped.tcp,
      }),
    ];
  }
  if (second === undefined) return [];
  return [
    finding('filter-twice', section, second.filter, {
      what: `the agent is asked twice: also by line ${first.filter.line}`,
      why: 'Each answer is a span of its own; the second overwrites the first, and every request waits for both.',
    }),
  ];
}

function missing({ section, proxy }: Frontend, { shipped }: Subject): Finding {
  return finding('filter-missing', section, proxy.head, {
    what: 'no filter line: HAProxy does not ask the agent',
    why: 'Without it no trace is continued: servers start traces of their own, and records have no ids.',
    lines: proposed(shipped.http, /^filter spoe|set-var\(txn\.otel\.(received|answered)\)/),
  });
}

/** Backends in which the filter cannot do what it is for. */
export function checkBackendFilters(subject: Subject): Finding[] {
  return subject.configuration.proxies
    .filter(({ kind }) => kind === 'backend')
    .flatMap((proxy) =>
      enginesOf(proxy, subject).map(({ filter }) =>
        finding('filter-in-backend', `backend ${proxy.name}`, filter, {
          what: 'the filter does nothing in a backend',
          why: 'The engine asks as soon as a frontend has the request: put the line into the frontend.',
        }),
      ),
    );
}
