import { haproxyAddress, leadsTo, parseAddress } from '../haproxy/addresses.ts';
import { parseLogger } from '../haproxy/loggers.ts';
import { lastOf } from '../haproxy/proxies.ts';
import { parseSize } from '../haproxy/units.ts';
import { formatAddress } from '../listen.ts';
import type { Wired } from '../wiring/wire.ts';
import { type Finding, finding, type Position } from './finding.ts';
import type { Subject } from './subject.ts';

/** Bytes that HAProxy keeps of a buffer when it makes a frame of it. */
const FRAME_RESERVE = 4;

/** Whether HAProxy and the agent mean the same. */
export function checkAgent(
  { options, clean }: Wired,
  { agent, current, files }: Subject,
): Finding[] {
  const findings: Finding[] = [];
  const section = (kind: string, name: string): Position =>
    current.sections.find((each) => each.kind === kind && each.name === name)?.head ?? {
      file: current.files[0] ?? '',
      line: 1,
    };
  const address = haproxyAddress(options.spop);
  if (agent.spop && leadsTo(parseAddress(address), agent.spop) === false) {
    findings.push(
      finding('agent-address', 'backend otel-agents', section('backend', 'otel-agents'), {
        what: `the agent is not at ${address}: HAPROXY_OTEL_SPOP is ${formatAddress(agent.spop)}`,
        why: 'No request gets an answer: HAProxy starts all traces itself.',
        lines: [`haproxy-otel-spoa add --spop ${formatAddress(agent.spop)} --write`],
      }),
    );
  }
  const records = haproxyAddress(options.records);
  if (agent.records && leadsTo(parseAddress(records), agent.records) === false) {
    findings.push(
      finding('records-address', 'ring otel', section('ring', 'otel'), {
        what: `the agent does not take records at ${records}: HAPROXY_OTEL_RECORDS is ${formatAddress(agent.records)}`,
        why: 'The agent gets no record, and makes no span.',
        lines: [`haproxy-otel-spoa add --records ${formatAddress(agent.records)} --write`],
      }),
    );
  }
  if (options.records.kind !== 'tcp') {
    findings.push(
      finding('records-datagrams', 'ring otel', section('ring', 'otel'), {
        what: `${records} takes no datagrams`,
        why: 'What a process that is stopping still does is not seen: a reload loses hops.',
      }),
    );
  }
  const root = lastOf(current.global, 'chroot');
  for (const { kind, ...rest } of [options.spop, options.records]) {
    if (kind !== 'unix' || root === undefined) continue;
    findings.push(
      finding('agent-chroot', 'global', root, {
        what: `${'path' in rest ? rest.path : ''} is outside of the chroot`,
        why: 'HAProxy does not get there any more once it has started.',
      }),
    );
  }
  const size = parseSize(lastOf(current.global, 'tune.bufsize')?.words[1]);
  if (size !== undefined && size - FRAME_RESERVE > agent.maxFrameSize) {
    findings.push(
      finding(
        'frame-size',
        'global',
        lastOf(current.global, 'tune.bufsize') ?? section('global', ''),
        {
          what: `frames of up to ${size - FRAME_RESERVE} bytes, of which the agent takes ${agent.maxFrameSize}`,
          why: 'A request whose headers are larger than the agent takes is not traced by it.',
          lines: [`HAPROXY_OTEL_MAX_FRAME_SIZE=${size}   # for the agent`],
        },
      ),
    );
  }
  const own = [...clean.global, ...clean.proxies.flatMap((proxy) => proxy.own)];
  for (const line of own.filter(({ words }) => words[0] === 'log' && words[1] !== 'global')) {
    const { target } = parseLogger(line);
    const leads =
      target.kind === 'datagram' && agent.records && leadsTo(target.address, agent.records);
    if (leads !== true && !(target.kind === 'ring' && target.name === 'otel')) continue;
    findings.push(
      finding('records-twice', '', files.placeOf(line), {
        what: 'a logger of your own leads to the agent',
        why: 'It gets lines that are no records, or each record twice.',
      }),
    );
  }
  return findings;
}
