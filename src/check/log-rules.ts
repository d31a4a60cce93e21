import { leadsTo } from '../haproxy/addresses.ts';
import { sentMessages } from '../haproxy/engine.ts';
import { type Logger, takesAll } from '../haproxy/loggers.ts';
import { optionOf } from '../haproxy/proxies.ts';
import { says } from '../haproxy/sections.ts';
import { formatAddress } from '../listen.ts';
import { type Finding, finding } from './finding.ts';
import { lengthFindings } from './length-rules.ts';
import { type Frontend, proposed, type Subject } from './subject.ts';

/** Whether a frontend's records get to the agent, each once, and also those of a process that is stopping. */
export function checkLoggers(frontend: Frontend, subject: Subject): Finding[] {
  const { section, proxy, toRing, toPort } = frontend;
  const shipped = proxy.mode === 'http' ? subject.shipped.http : subject.shipped.tcp;
  if (toRing.length + toPort.length === 0) {
    if (tellsItself(frontend)) return [];
    return [
      finding('log-missing', section, proxy.head, {
        what: 'no log line that leads to the agent',
        why: 'The agent makes spans of records: without them there are headers and no spans.',
        lines: proposed(shipped, /^log /),
      }),
    ];
  }
  return [
    ...[...toRing, ...toPort].flatMap((logger) => checkLogger(logger, frontend, subject)),
    ...checkTwice(frontend),
    ...checkDatagrams(frontend, subject, shipped),
    ...checkOptions(frontend),
  ];
}

/** With an engine that tells of hops by SPOE. */
function tellsItself({ engines }: Frontend): boolean {
  return engines.some(
    ({ engine }) =>
      engine !== undefined && sentMessages(engine).some(({ name }) => name === 'finish'),
  );
}

function checkLogger(logger: Logger, frontend: Frontend, subject: Subject): Finding[] {
  const { section, toRing } = frontend;
  const { statement, sample, target, length } = logger;
  const { records } = subject.agent;
  const findings = lengthFindings('log-len', section, statement, {
    written: length,
    name: 'len',
    frontend,
    subject,
  });
  const isMain = target.kind === 'ring' || toRing.length === 0;
  if (isMain && !takesAll(logger)) {
    findings.push(
      finding('log-level', section, statement, {
        what: `only what is ${statement.words.at(-1)} or worse is logged`,
        why: 'HAProxy says "info" of a request that went well: only failures are spans.',
        lines: [statement.words.with(-1, 'info').join(' ')],
      }),
    );
  }
  if (sample !== undefined) {
    findings.push(
      finding('log-sample', section, statement, {
        what: `only ${sample} lines are logged`,
        why: 'The others have no span, whatever was decided for their trace. To sample, set OTEL_TRACES_SAMPLER.',
        lines: [statement.words.join(' ').replace(/ sample \S+/, '')],
      }),
    );
  }
  if (
    target.kind === 'datagram' &&
    records !== undefined &&
    leadsTo(target.address, records) === false
  ) {
    findings.push(
      finding('log-port', section, statement, {
        what: `the agent does not take datagrams at ${statement.words[1]}: HAPROXY_OTEL_RECORDS is ${formatAddress(records)}`,
        why: 'Requests that end in a process that is stopping have no span.',
        lines: proposed(subject.shipped.http, /^log [^r]/),
      }),
    );
  }
  return findings;
}

function checkTwice({ section, toRing }: Frontend): Finding[] {
  const [, second] = toRing;
  if (second === undefined) return [];
  return [
    finding('log-twice', section, second.statement, {
      what: `${toRing.length} log lines lead to the agent's ring`,
      why: 'Every span is exported as often.',
    }),
  ];
}

/** A ring delivers nothing any more once HAProxy is told to stop, as at each reload. */
function checkDatagrams(
  { section, proxy, toRing, toPort }: Frontend,
  { agent }: Subject,
  shipped: readonly string[],
): Finding[] {
  const [ring] = toRing;
  const [datagram] = toPort;
  if (ring === undefined || agent.records?.kind !== 'tcp') return [];
  if (datagram === undefined) {
    return [
      finding('log-datagram-missing', section, ring.statement, {
        what: 'no log line for a process that is stopping',
        why: 'A reload closes the ring at once: what ends in the old process afterwards has no span.',
        lines: proposed(shipped, /^log [^r]|set-log-level|log-separate-errors/),
      }),
    ];
  }
  const findings: Finding[] = [];
  if (datagram.format !== 'raw') {
    findings.push(
      finding('log-datagram-format', section, datagram.statement, {
        what: 'datagrams without "format raw"',
        why: 'HAProxy writes a syslog header before the record, and the agent takes records alone.',
        lines: proposed(shipped, /^log [^r]/),
      }),
    );
  }
  if (takesAll(datagram) || proxy.mode !== 'http') return findings;
  for (const kind of ['http-request', 'http-response'] as const) {
    const raised = proxy.statements.some(
      (line) => says(line, kind, 'set-log-level') && line.words.includes('stopping'),
    );
    if (raised) continue;
    findings.push(
      finding('log-datagram-rule-missing', section, datagram.statement, {
        what: `no "${kind} set-log-level … if { stopping }"`,
        why: 'Requests of a process that is stopping stay at level "info", which this line leaves out.',
        lines: proposed(shipped, new RegExp(`^${kind} +set-log-level`)),
      }),
    );
  }
  if (optionOf(proxy.statements, 'log-separate-errors') === undefined) {
    findings.push(
      finding('log-separate-errors-missing', section, datagram.statement, {
        what: 'no "option log-separate-errors"',
        why: 'Requests that fail in a process that is stopping stay at level "info", which this line leaves out.',
        lines: ['option log-separate-errors'],
      }),
    );
  }
  return findings;
}

function checkOptions({ section, proxy }: Frontend): Finding[] {
  const findings: Finding[] = [];
  const normal = optionOf(proxy.statements, 'dontlog-normal');
  if (normal !== undefined) {
    findings.push(
      finding('log-normal-left-out', section, normal, {
        what: '"option dontlog-normal": only failures are logged',
        why: 'What is not logged has no span.',
        lines: ['no option dontlog-normal'],
      }),
    );
  }
  if (optionOf(proxy.statements, 'dontlognull') === undefined) {
    findings.push(
      finding('log-null', section, proxy.head, {
        what: 'no "option dontlognull"',
        why: 'Probes that only connect and leave are spans, or counted as failed connections.',
        lines: ['option dontlognull'],
      }),
    );
  }
  return findings;
}
