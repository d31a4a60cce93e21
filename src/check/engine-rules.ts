import { isAbsolute } from 'node:path';
import { type EnginePart, sentMessages } from '../haproxy/engine.ts';
import { lastOf } from '../haproxy/proxies.ts';
import { says, wordAfter } from '../haproxy/sections.ts';
import { parseTime } from '../haproxy/units.ts';
import { type Finding, finding } from './finding.ts';
import { atLeast, ENGINE, type Frontend, type NamedEngine, type Subject } from './subject.ts';

/** Milliseconds that every request may lose to an agent that hangs, before it is worth a warning. */
const LONG_WAIT = 250;

const EVENT = 'on-frontend-http-request';

/** As the log line knows it, behind the prefix. */
const WAIT = 'wait';

/** The SPOE file of a frontend's filter line. */
export function checkEngine(frontend: Frontend, subject: Subject): Finding[] {
  const [named] = frontend.engines;
  if (named === undefined || frontend.proxy.mode !== 'http') return [];
  const { filter, name, path, statements, engine } = named;
  const { section } = frontend;
  if (statements === undefined) return [fileMissing(named, section, subject)];
  if (engine?.agent === undefined) {
    const scopes = statements.flatMap(
      ({ words: [word = ''] }) => /^\[(.*)\]$/.exec(word)?.[1] ?? [],
    );
    return [
      finding('engine-missing', section, filter, {
        what: `${path} has no engine ${name === undefined ? 'without a name' : `"${name}"`}`,
        why: `HAProxy reads only what stands behind [${name ?? ''}]: ${scopes.length === 0 ? 'there is no such line' : `the file has [${scopes.join('], [')}]`}.`,
        lines: [`filter spoe engine ${scopes[0] ?? ENGINE} config ${path}`],
      }),
    ];
  }
  return [
    ...checkPath(named, section, subject),
    ...checkMessages(named, engine.agent, frontend),
    ...checkTimeouts(engine.agent, section, subject),
  ];
}

function fileMissing(
  { filter, path }: NamedEngine,
  section: string,
  { directory }: Subject,
): Finding {
  const relative = !filter.words.some((word) => word.startsWith('/'));
  return finding('engine-file-missing', section, filter, {
    what: `the engine file ${path} cannot be read`,
    why: relative
      ? `HAProxy does not start. The path is relative to where HAProxy is started, here ${directory}; systemd starts it in /.`
      : 'HAProxy does not start.',
    lines: [filter.words.join(' ').replace(/config \S+/, 'config /etc/haproxy/otel.conf')],
  });
}

/** What is found from here need not be found from where HAProxy is started. */
function checkPath(
  { filter, path }: NamedEngine,
  section: string,
  { configuration, directory }: Subject,
): Finding[] {
  const written = wordAfter(filter, 'config') ?? '';
  const isAnywhere = isAbsolute(written) || lastOf(configuration.global, 'default-path');
  // A configuration that is named from here is meant to be started from here.
  if (isAnywhere || !isAbsolute(filter.file) || directory === '/') return [];
  return [
    finding('engine-file-relative', section, filter, {
      what: `the engine file is found only from ${directory}`,
      why: 'HAProxy looks for it from where it is started: systemd starts it in /.',
      lines: [filter.words.join(' ').replace(/config \S+/, `config ${path}`)],
    }),
  ];
}

function checkMessages(
  { engine, name }: NamedEngine,
  agent: EnginePart,
  { section, proxy, toRing, toPort }: Frontend,
): Finding[] {
  if (engine === undefined) return [];
  const findings: Finding[] = [];
  const prefix = lastOf(agent.statements, 'option', 'var-prefix');
  if ((prefix?.words[2] ?? name) !== ENGINE) {
    findings.push(
      finding('engine-prefix', section, prefix ?? agent.head, {
        what: `answers are in txn.${prefix?.words[2] ?? name}.*, not in txn.${ENGINE}.*`,
        why: 'The lines that set headers and log find nothing there.',
        lines: [`option var-prefix ${ENGINE}`],
      }),
    );
  }
  const sent = sentMessages(engine);
  const mint = sent.find((message) => message.name === 'mint');
  if (mint === undefined) {
    return [
      ...findings,
      finding('engine-message-missing', section, agent.head, {
        what: 'the agent is not sent the message "mint"',
        why: 'It is the question that the agent answers; any other is passed over.',
        lines: ['messages mint tracestates'],
      }),
    ];
  }
  const event = lastOf(mint.statements, 'event');
  if (event?.words[1] !== EVENT) {
    findings.push(
      finding('engine-event', section, event ?? mint.head, {
        what: `"mint" is sent ${event === undefined ? 'never' : `at ${event.words[1]}`}`,
        why: 'The rules of the frontend run before the answer is there, and so do those of requests that no server gets.',
        lines: [`event ${EVENT}`],
      }),
    );
  }
  if (lastOf(agent.statements, 'option', 'set-process-time')?.words[2] !== WAIT) {
    findings.push(
      finding('agent-wait-unbounded', section, agent.head, {
        what: 'the engine does not note how long a request waits for this agent',
        why: 'haproxy.phase.agent_us is on no span, or has the waits for a body and for other engines in it.',
        lines: [`option set-process-time ${WAIT}`],
      }),
    );
  }
  const args = mint.statements.filter((line) => says(line, 'args')).flatMap(({ words }) => words);
  for (const setting of ['trust', 'ratio'] as const) {
    const used = proxy.statements.find(({ words }) =>
      words.some((word) => word.startsWith(`set-var(txn.${ENGINE}.${setting}`)),
    );
    if (used !== undefined && !args.includes(`${setting}=var(txn.${ENGINE}.${setting})`)) {
      findings.push(
        finding(`engine-${setting}-missing`, section, mint.head, {
          what: `the agent is not told txn.${ENGINE}.${setting}`,
          why: `${used.file}:${used.line} sets it, in vain.`,
          lines: [`args ${setting}=var(txn.${ENGINE}.${setting})`],
        }),
      );
    }
  }
  const finish = sent.find((message) => message.name === 'finish');
  if (finish !== undefined && toRing.length + toPort.length > 0) {
    findings.push(
      finding('engine-finish-twice', section, finish.head, {
        what: 'hops are told twice: by SPOE and by log lines',
        why: 'Every request is in the trace twice. This engine file is for configurations without the log line.',
        lines: ['messages mint tracestates'],
      }),
    );
  }
  return findings;
}

function checkTimeouts(agent: EnginePart, section: string, subject: Subject): Finding[] {
  const findings: Finding[] = [];
  const processing = lastOf(agent.statements, 'timeout', 'processing');
  const time = parseTime(processing?.words[2]);
  if (processing === undefined || time === 0) {
    findings.push(
      finding('engine-processing-timeout', section, processing ?? agent.head, {
        what: 'no "timeout processing": a request waits for the agent as long as it takes',
        why: 'An agent that hangs stops all traffic of this frontend.',
        lines: ['timeout processing 50ms'],
      }),
    );
  } else if (time !== undefined && time > LONG_WAIT) {
    findings.push(
      finding('engine-processing-timeout-long', section, processing, {
        what: `"timeout processing" is ${processing.words[2]}`,
        why: 'So long does a request wait for an agent that hangs, until the check has seen it.',
        lines: ['timeout processing 50ms'],
      }),
    );
  }
  if (atLeast(subject, '3.1')) return findings;
  if (lastOf(agent.statements, 'maxerrrate') === undefined) {
    findings.push(
      finding('engine-error-rate', section, agent.head, {
        what: 'no "maxerrrate": all requests wait for an agent that hangs',
        why: 'With it, after some errors in a second the others do not even ask, until the check has seen it.',
        lines: ['maxerrrate 10'],
      }),
    );
  }
  for (const [name, value] of [
    ['hello', '2s'],
    ['idle', '2m'],
  ] as const) {
    if (lastOf(agent.statements, 'timeout', name) !== undefined) continue;
    findings.push(
      finding(`engine-${name}-timeout`, section, agent.head, {
        what: `no "timeout ${name}", which HAProxy up to 3.0 needs`,
        why:
          name === 'hello'
            ? 'A connection to an agent that hangs is waited for without end.'
            : 'Connections to an agent that went away without a word are kept.',
        lines: [`timeout ${name} ${value}`],
      }),
    );
  }
  return findings;
}
