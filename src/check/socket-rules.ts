import { SETTINGS } from '../config/table.ts';
import { haproxyAddress, leadsTo, parseAddress } from '../haproxy/addresses.ts';
import { forbiddenBy, isSameFile, type Jail, jailOf, openedPath } from '../haproxy/jail.ts';
import { formatAddress, type ListenAddress } from '../listen-address.ts';
import { type Finding, finding, type Position } from './finding.ts';
import type { Subject } from './subject.ts';

/** One of the agent's two listeners: its setting, the option of `add`, and what is lost without it. */
type Listener = {
  readonly part: 'agent' | 'records';
  readonly section: string;
  readonly variable: 'HAPROXY_OTEL_SPOP' | 'HAPROXY_OTEL_RECORDS';
  readonly flag: string;
  readonly why: string;
};

const AGENT: Listener = {
  part: 'agent',
  section: 'backend otel-agents',
  variable: 'HAPROXY_OTEL_SPOP',
  flag: '--spop',
  why: 'No request gets an answer: HAProxy starts all traces itself.',
};

const RECORDS: Listener = {
  part: 'records',
  section: 'ring otel',
  variable: 'HAPROXY_OTEL_RECORDS',
  flag: '--records',
  why: 'The agent gets no record, and makes no span.',
};

export const LISTENERS = { AGENT, RECORDS } as const;

/**
 * Whether HAProxy gets to a listener, out of its jail, and may.
 *
 * @param written where `add` sends HAProxy to
 * @param set where the agent listens, where that is known
 */
export function checkListener(
  listener: Listener,
  written: ListenAddress,
  set: ListenAddress | undefined,
  { current }: Subject,
): Finding[] {
  const { part, section, variable, flag, why } = listener;
  const head = current.sections.find(({ kind, name }) => `${kind} ${name}` === section)?.head;
  const at: Position = head ?? { file: current.files[0] ?? '', line: 1 };
  const address = parseAddress(haproxyAddress(written));
  const jail = jailOf(current.global);
  const opened = address.kind === 'unix' ? openedPath(address.path, jail) : undefined;
  if (opened === undefined || set?.kind === 'tcp') {
    if (set === undefined || leadsTo(address, set) !== false) return [];
  } else if (set?.kind !== 'unix' || opened === set.path || isSameFile(opened, set.path)) {
    return accessFindings(listener, opened, jail, at);
  } else if (set.path === formatAddress(written).replace(/^unix:/, '')) {
    const what = `HAProxy opens ${opened}, and the agent listens on ${set.path}: "chroot ${jail.root}" holds for sockets of servers`;
    const lines = [
      `${variable}=unix:${opened}   # for the agent; or over TCP:`,
      `haproxy-otel-spoa add ${flag} ${SETTINGS[variable].default} --write`,
    ];
    return [finding(`${part}-chroot`, section, at, what, why, lines)];
  }
  const what = `the agent does not listen at ${opened ?? haproxyAddress(written)}: ${variable} is ${formatAddress(set)}`;
  const lines = [`haproxy-otel-spoa add ${flag} ${formatAddress(set)} --write`];
  return [finding(`${part}-address`, section, at, what, why, lines)];
}

/** HAProxy opens the socket as another user than it was started by. */
function accessFindings(
  { part, section, why }: Listener,
  opened: string,
  jail: Jail,
  at: Position,
): Finding[] {
  const obstacle = forbiddenBy(opened, jail);
  if (obstacle === undefined) return [];
  const what = `${whoIs(jail)} may not connect to ${opened}: ${obstacle === opened ? 'its mode does not let it write' : `${obstacle} does not let it pass`}`;
  const lines = [
    `SocketGroup=${jail.group?.name ?? 'haproxy'}   # and SocketMode=0660, in the socket unit`,
  ];
  return [finding(`${part}-socket-access`, section, at, what, why, lines)];
}

function whoIs({ user, group }: Jail): string {
  return `user ${user?.name}${group === undefined ? '' : `, group ${group.name}`}`;
}
