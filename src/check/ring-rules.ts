import { lastOf } from '../haproxy/proxies.ts';
import type { Section } from '../haproxy/sections.ts';
import { wordAfter } from '../haproxy/sections.ts';
import { parseSize } from '../haproxy/units.ts';
import { formatAddress } from '../listen.ts';
import { type Finding, finding } from './finding.ts';
import { lengthFindings } from './length-rules.ts';
import { checkSocket, reaches } from './socket-rules.ts';
import { atLeast, type Frontend, proposed, ringNamed, type Subject, serversOf } from './subject.ts';

/** HAProxy's own where nothing is said. */
const DEFAULT_SIZE = 16_384;

/** Bytes below which an agent that is away for a moment costs records. */
const LEAST_SIZE = 1_048_576;

/** The rings in which a frontend's records wait for the agent. */
export function checkRings(frontend: Frontend, subject: Subject): Finding[] {
  return frontend.toRing.flatMap(({ target, statement }) => {
    if (target.kind !== 'ring') return [];
    const ring = ringNamed(target.name, subject);
    if (ring !== undefined) return checkRing(ring, frontend, subject);
    return [
      finding('ring-missing', frontend.section, statement, {
        what: `there is no ring "${target.name}"`,
        why: 'HAProxy has nowhere to put the records.',
        lines: ringLines(subject, target.name),
      }),
    ];
  });
}

function ringLines({ shipped: { sections } }: Subject, name: string): string[] {
  const start = sections.indexOf('ring otel');
  const end = sections.findIndex((line, index) => index > start && line.trim() === '');
  return [`ring ${name}`, ...sections.slice(start + 1, end)];
}

function checkRing(ring: Section, frontend: Frontend, subject: Subject): Finding[] {
  const section = `ring ${ring.name}`;
  const servers = serversOf(ring.statements);
  const findings: Finding[] = [];
  const [first, second] = servers;
  if (first === undefined) {
    findings.push(
      finding('ring-server-missing', section, ring.head, {
        what: 'no server line: records go nowhere',
        why: 'The agent gets no record, and makes no span.',
        lines: proposed(subject.shipped.sections, /^server agent (?!.* check )/),
      }),
    );
  } else if (second !== undefined) {
    findings.push(
      finding('ring-servers', section, second, {
        what: `${servers.length} servers: each gets every record`,
        why: 'Every span is exported as often. Any agent can take all records: name one.',
      }),
    );
  }
  const maxlen = lastOf(ring.statements, 'maxlen');
  const size = lastOf(ring.statements, 'size');
  const bytes = size === undefined ? DEFAULT_SIZE : parseSize(size.words[1]);
  if (bytes !== undefined && bytes < LEAST_SIZE) {
    findings.push(
      finding('ring-size', section, size ?? ring.head, {
        what: `the ring has ${bytes} bytes`,
        why: 'That is a few records: what comes while the agent restarts is dropped by HAProxy without a word.',
        lines: proposed(subject.shipped.sections, /^size /),
      }),
    );
  }
  return [
    ...findings,
    ...servers.flatMap((server) => checkServer(server, section, subject)),
    ...lengthFindings('ring-maxlen', section, maxlen ?? ring.head, {
      written: maxlen === undefined ? undefined : Number(maxlen.words[1]),
      name: 'maxlen',
      frontend,
      subject,
    }),
  ];
}

function checkServer(
  server: ReturnType<typeof serversOf>[number],
  section: string,
  subject: Subject,
): Finding[] {
  const { agent, shipped } = subject;
  const line = proposed(shipped.sections, /^server agent (?!.* check )/);
  const findings = checkSocket('ring', section, server, { listener: agent.records, subject });
  const found = agent.records && reaches(server, agent.records, subject);
  if (findings.length === 0 && found === false && agent.records !== undefined) {
    findings.push(
      finding('ring-port', section, server, {
        what: `the agent does not take records at ${server.words[2]}: HAPROXY_OTEL_RECORDS is ${formatAddress(agent.records)}`,
        why: 'The agent gets no record, and makes no span.',
        lines: line,
      }),
    );
  }
  if (wordAfter(server, 'log-proto') === 'octet-count' && atLeast(subject, '2.8')) {
    findings.push(
      finding('ring-octet-count', section, server, {
        what: '"log-proto octet-count" on HAProxy 2.8 or later',
        why: 'When the agent was restarted, such a ring may never connect again: no spans until HAProxy is reloaded.',
        lines: line,
      }),
    );
  }
  return findings;
}
