import { lastOf, optionOf, type ProxySection } from '../haproxy/proxies.ts';
import type { Statement } from '../haproxy/statements.ts';
import { parseSize } from '../haproxy/units.ts';
import { branchOf } from '../haproxy/version.ts';
import { formatAddress } from '../listen.ts';
import { type Finding, finding } from './finding.ts';
import { checkSocket, reaches } from './socket-rules.ts';
import { atLeast, type Frontend, proposed, type Subject, serversOf } from './subject.ts';

export const DEFAULT_BUFSIZE = 16_384;

/** Bytes that HAProxy keeps of a buffer when it makes a frame of it. */
const FRAME_RESERVE = 4;

/** The backend that an engine's frames go to. */
export function checkAgent(frontend: Frontend, subject: Subject): Finding[] {
  const agent = frontend.engines[0]?.engine?.agent;
  if (agent === undefined || frontend.proxy.mode !== 'http') return [];
  const { configuration, shipped } = subject;
  const use = lastOf(agent.statements, 'use-backend');
  const name = use?.words[1];
  const backend = configuration.proxies.find(
    (proxy) => proxy.kind !== 'frontend' && proxy.name === name,
  );
  if (backend === undefined) {
    return [
      finding('agent-backend-missing', frontend.section, use ?? agent.head, {
        what: name === undefined ? 'the engine names no backend' : `there is no backend "${name}"`,
        why: 'HAProxy does not know where the agent is.',
        lines: shipped.sections.slice(shipped.sections.indexOf('backend otel-agents')),
      }),
    ];
  }
  return [
    ...checkMode(backend, subject),
    ...checkServers(backend, subject),
    ...checkFrames(subject),
  ];
}

function checkMode(backend: ProxySection, subject: Subject): Finding[] {
  const { mode, statements, head } = backend;
  const spop = atLeast(subject, '3.1');
  const needed = spop ? 'spop' : 'tcp';
  if (mode === needed) return [];
  const converted = spop && mode === 'tcp';
  return [
    finding(
      converted ? 'agent-backend-converted' : 'agent-backend-mode',
      sectionOf(backend),
      lastOf(statements, 'mode') ?? head,
      {
        what: `"mode ${mode}" for the agent: HAProxy ${branchOf(subject.version)} speaks SPOP in "mode ${needed}"`,
        why: converted
          ? 'HAProxy takes it for "mode spop", and says so to nobody.'
          : 'HAProxy does not get to the agent.',
        lines: [`mode ${needed}`],
      },
    ),
  ];
}

function checkServers(backend: ProxySection, subject: Subject): Finding[] {
  const { statements, head } = backend;
  const { agent, shipped } = subject;
  const section = sectionOf(backend);
  const servers = serversOf(statements);
  const line = proposed(shipped.sections, /^server agent .* check /);
  if (servers.length === 0) {
    const text = {
      what: 'no server line: HAProxy does not know where the agent is',
      why: 'No request gets an answer.',
      lines: line,
    };
    return [finding('agent-server-missing', section, head, text)];
  }
  const findings: Finding[] = [];
  if (optionOf(statements, 'spop-check') === undefined) {
    findings.push(
      finding('agent-spop-check-missing', section, head, {
        what: 'no "option spop-check"',
        why: 'An agent that accepts connections and hangs is taken for a good one, and requests wait for it.',
        lines: ['option spop-check', 'timeout check 500ms'],
      }),
    );
  }
  const defaults = statements.filter(({ words }) => words[0] === 'default-server');
  const has = (server: Statement, word: string): boolean =>
    [...defaults, server].some(({ words }) => words.includes(word));
  const leads = servers.map((server) => agent.spop && reaches(server, agent.spop, subject));
  for (const [index, server] of servers.entries()) {
    const wrong = checkSocket('agent', section, server, { listener: agent.spop, subject });
    findings.push(...wrong);
    if (wrong.length > 0) continue;
    // One of several agents is the one whose settings are known here.
    if (leads[index] === false && !leads.includes(true) && agent.spop !== undefined) {
      findings.push(
        finding('agent-port', section, server, {
          what: `the agent is not at ${server.words[2]}: HAPROXY_OTEL_SPOP is ${formatAddress(agent.spop)}`,
          why: 'No request gets an answer: HAProxy starts all traces itself.',
          lines: line,
        }),
      );
    } else if (!has(server, 'check')) {
      findings.push(
        finding('agent-check-missing', section, server, {
          what: `server "${server.words[1]}" has no "check"`,
          why: 'While the agent is away every request waits for "timeout processing".',
          lines: line,
        }),
      );
    } else if (!has(server, 'observe')) {
      findings.push(
        finding('agent-observe-missing', section, server, {
          what: `server "${server.words[1]}" has no "observe layer4"`,
          why: 'That an agent is gone is seen by the next check, not by the first connection that fails.',
          lines: line,
        }),
      );
    }
  }
  return findings;
}

function checkFrames({ configuration, agent }: Subject): Finding[] {
  const line = lastOf(configuration.global, 'tune.bufsize');
  const size = parseSize(line?.words[1]);
  if (line === undefined || size === undefined) return [];
  if (size - FRAME_RESERVE <= agent.maxFrameSize) return [];
  return [
    finding('frame-size', 'global', line, {
      what: `frames of up to ${size - FRAME_RESERVE} bytes, of which the agent takes ${agent.maxFrameSize}`,
      why: 'A request whose headers are larger than the agent takes is not traced by it.',
      lines: [`HAPROXY_OTEL_MAX_FRAME_SIZE=${size}   # for the agent`],
    }),
  ];
}

function sectionOf({ kind, name }: ProxySection): string {
  return `${kind} ${name}`;
}
