import { haproxyAddress, leadsTo } from '../haproxy/addresses.ts';
import { parseLogger } from '../haproxy/loggers.ts';
import { lastOf } from '../haproxy/proxies.ts';
import { parseSize } from '../haproxy/units.ts';
import type { Wired } from '../wiring/wire.ts';
import { type Finding, finding } from './finding.ts';
import { checkListener, LISTENERS } from './socket-rules.ts';
import type { Subject } from './subject.ts';

/** Bytes of a buffer that HAProxy reserves when it makes a frame of it. */
const FRAME_RESERVE = 4;

/** Whether HAProxy's lines and the agent's settings agree. */
export function checkAgent(wired: Wired, subject: Subject): Finding[] {
  const { agent, current } = subject;
  const { options } = wired;
  const findings = [
    ...checkListener(LISTENERS.AGENT, options.spop, agent.spop, subject),
    ...checkListener(LISTENERS.RECORDS, options.records, agent.records, subject),
    ...checkLoggers(wired, subject),
  ];
  if (options.records.kind !== 'tcp' || options.tls !== undefined) {
    const what = `${haproxyAddress(options.records)} takes no datagrams${options.tls === undefined ? '' : ', which have no TLS'}`;
    const why = 'What a process that is stopping still does is not seen: a reload loses hops.';
    findings.push(
      finding('records-datagrams', 'ring otel', headOf('ring otel', subject), what, why),
    );
  }
  const line = lastOf(current.global, 'tune.bufsize');
  const frame = (parseSize(line?.words[1]) ?? 0) - FRAME_RESERVE;
  if (line !== undefined && frame > agent.maxFrameSize) {
    const what = `frames of up to ${frame} bytes, of which the agent takes ${agent.maxFrameSize}`;
    const why = 'A request whose headers are larger than the agent takes is not traced by it.';
    const lines = [`HAPROXY_OTEL_MAX_FRAME_SIZE=${frame + FRAME_RESERVE}   # for the agent`];
    findings.push(finding('frame-size', 'global', line, what, why, lines));
  }
  return findings;
}

function checkLoggers({ clean }: Wired, { agent, files }: Subject): Finding[] {
  const own = [...clean.global, ...clean.proxies.flatMap((proxy) => proxy.own)];
  return own.flatMap((line) => {
    if (line.words[0] !== 'log' || line.words[1] === 'global') return [];
    const { target } = parseLogger(line);
    const leads =
      target.kind === 'datagram' && agent.records && leadsTo(target.address, agent.records);
    if (leads !== true && !(target.kind === 'ring' && target.name === 'otel')) return [];
    const what = 'a logger of your own leads to the agent';
    const why = 'It gets lines that are no records, or each record twice.';
    return [finding('records-twice', '', files.positionOf(line), what, why)];
  });
}

function headOf(section: string, { current }: Subject): { file: string; line: number } {
  const found = current.sections.find(({ kind, name }) => `${kind} ${name}` === section);
  return found?.head ?? { file: current.files[0] ?? '', line: 1 };
}
