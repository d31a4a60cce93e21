import { haproxyAddress, leadsTo, parseAddress } from '../haproxy/addresses.ts';
import { parseLogger } from '../haproxy/loggers.ts';
import { lastOf } from '../haproxy/proxies.ts';
import { parseSize } from '../haproxy/units.ts';
import { formatAddress, type ListenAddress } from '../listen.ts';
import type { Wired } from '../wiring/wire.ts';
import { type Finding, finding } from './finding.ts';
import type { Subject } from './subject.ts';

/** Bytes that HAProxy keeps of a buffer when it makes a frame of it. */
const FRAME_RESERVE = 4;

/** Whether HAProxy and the agent mean the same. */
export function checkAgent(wired: Wired, subject: Subject): Finding[] {
  const { agent, current } = subject;
  const { options } = wired;
  const findings = [
    ...checkAddress('agent-address', 'backend otel-agents', options.spop, agent.spop, subject),
    ...checkAddress('records-address', 'ring otel', options.records, agent.records, subject),
    ...checkLoggers(wired, subject),
  ];
  if (options.records.kind !== 'tcp') {
    const what = `${haproxyAddress(options.records)} takes no datagrams`;
    const why = 'What a process that is stopping still does is not seen: a reload loses hops.';
    findings.push(
      finding('records-datagrams', 'ring otel', headOf('ring otel', subject), { what, why }),
    );
  }
  const root = lastOf(current.global, 'chroot');
  const path = [options.spop, options.records].find(({ kind }) => kind === 'unix');
  if (root !== undefined && path !== undefined) {
    const what = `${formatAddress(path)} is outside of the chroot`;
    const why = 'HAProxy does not get there any more once it has started.';
    findings.push(finding('agent-chroot', 'global', root, { what, why }));
  }
  const line = lastOf(current.global, 'tune.bufsize');
  const frame = (parseSize(line?.words[1]) ?? 0) - FRAME_RESERVE;
  if (line !== undefined && frame > agent.maxFrameSize) {
    const what = `frames of up to ${frame} bytes, of which the agent takes ${agent.maxFrameSize}`;
    const why = 'A request whose headers are larger than the agent takes is not traced by it.';
    const lines = [`HAPROXY_OTEL_MAX_FRAME_SIZE=${frame + FRAME_RESERVE}   # for the agent`];
    findings.push(finding('frame-size', 'global', line, { what, why, lines }));
  }
  return findings;
}

function checkAddress(
  code: 'agent-address' | 'records-address',
  section: string,
  written: ListenAddress,
  set: ListenAddress | undefined,
  subject: Subject,
): Finding[] {
  const address = haproxyAddress(written);
  if (set === undefined || leadsTo(parseAddress(address), set) !== false) return [];
  const [variable, flag, why] =
    code === 'agent-address'
      ? [
          'HAPROXY_OTEL_SPOP',
          '--spop',
          'No request gets an answer: HAProxy starts all traces itself.',
        ]
      : ['HAPROXY_OTEL_RECORDS', '--records', 'The agent gets no record, and makes no span.'];
  const what = `the agent does not listen at ${address}: ${variable} is ${formatAddress(set)}`;
  const lines = [`haproxy-otel-spoa add ${flag} ${formatAddress(set)} --write`];
  return [finding(code, section, headOf(section, subject), { what, why, lines })];
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
    return [finding('records-twice', '', files.placeOf(line), { what, why })];
  });
}

function headOf(section: string, { current }: Subject): { file: string; line: number } {
  const found = current.sections.find(({ kind, name }) => `${kind} ${name}` === section);
  return found?.head ?? { file: current.files[0] ?? '', line: 1 };
}
