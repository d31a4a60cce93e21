import { leadsTo, parseAddress } from '../haproxy/addresses.ts';
import { forbiddenBy, isSameFile, type Jail, jailOf, openedPath } from '../haproxy/jail.ts';
import type { Statement } from '../haproxy/statements.ts';
import type { ListenAddress } from '../listen.ts';
import { type Finding, finding } from './finding.ts';
import type { Subject } from './subject.ts';

/** Whether a server line gets to a listener of the agent, out of HAProxy's jail. As `leadsTo`. */
export function reaches(
  { words }: Statement,
  listener: ListenAddress,
  { configuration }: Subject,
): boolean | undefined {
  const address = parseAddress(words[2] ?? '');
  if (address.kind !== 'unix' || listener.kind !== 'unix') return leadsTo(address, listener);
  const opened = openedPath(address.path, jailOf(configuration.global));
  return opened === listener.path || isSameFile(opened, listener.path);
}

/** What is wrong with the unix socket of a server line, which HAProxy opens in its jail, and as another user. */
export function checkSocket(
  part: 'agent' | 'ring',
  section: string,
  server: Statement,
  { listener, subject }: { listener: ListenAddress | undefined; subject: Subject },
): Finding[] {
  const address = parseAddress(server.words[2] ?? '');
  if (address.kind !== 'unix') return [];
  const jail = jailOf(subject.configuration.global);
  const opened = openedPath(address.path, jail);
  const why =
    part === 'agent'
      ? 'No request gets an answer: HAProxy starts all traces itself.'
      : 'The agent gets no record, and makes no span.';
  const isElsewhere =
    listener?.kind === 'unix' &&
    listener.path === address.path &&
    reaches(server, listener, subject) === false;
  if (isElsewhere) {
    return [
      finding(`${part}-chroot`, section, server, {
        what: `HAProxy opens ${opened}, and the agent listens on ${listener.path}: "chroot ${jail.root}" holds for sockets of servers`,
        why,
        lines: remedies(part, opened, server),
      }),
    ];
  }
  const obstacle = forbiddenBy(opened, jail);
  if (obstacle === undefined) return [];
  return [
    finding(`${part}-socket-access`, section, server, {
      what: `${whoIs(jail)} may not connect to ${opened}: ${obstacle === opened ? 'its mode does not let it write' : `${obstacle} does not let it pass`}`,
      why,
      lines: [
        `SocketGroup=${jail.group?.name ?? 'haproxy'}   # and SocketMode=0660, in the socket unit`,
      ],
    }),
  ];
}

function remedies(part: 'agent' | 'ring', opened: string, server: Statement): string[] {
  const name = part === 'agent' ? 'HAPROXY_OTEL_SPOP' : 'HAPROXY_OTEL_RECORDS';
  const port = part === 'agent' ? '12345' : '12346';
  return [
    `${name}=unix:${opened}   # for the agent; or over TCP:`,
    server.words.with(2, `127.0.0.1:${port}`).join(' '),
  ];
}

function whoIs({ user, group }: Jail): string {
  return `user ${user?.name}${group === undefined ? '' : `, group ${group.name}`}`;
}
