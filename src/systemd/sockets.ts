import { type Env, UsageError } from '../settings.ts';

/** Names of sockets in their units: `FileDescriptorName=`. */
const SOCKET_NAMES = ['spop', 'records', 'records-datagram', 'admin'] as const;
export type SocketName = (typeof SOCKET_NAMES)[number];

/** Descriptors of the inherited sockets, by name. */
export type InheritedSockets = Readonly<Partial<Record<SocketName, number>>>;

/** The first descriptor that sd_listen_fds(3) passes. */
const FIRST = 3;

/**
 * The sockets that systemd opened for this process and keeps open when it ends, as sd_listen_fds(3) has it.
 *
 * @param pid this process: sockets for another one are ignored
 * @throws UsageError for a socket where nobody would answer: without a name of ours, or the second of a name
 */
export function inheritedSockets(env: Env, pid: number): InheritedSockets {
  if (Number(env.LISTEN_PID) !== pid) return {};
  const names = env.LISTEN_FDNAMES?.split(':') ?? [];
  const sockets: Partial<Record<SocketName, number>> = {};
  for (let index = 0; index < Number(env.LISTEN_FDS ?? 0); index += 1) {
    const name = SOCKET_NAMES.find((known) => known === names[index]);
    if (name === undefined) {
      throw new UsageError(
        `LISTEN_FDNAMES has "${names[index] ?? ''}": one of ${SOCKET_NAMES.join(', ')} is accepted`,
      );
    }
    if (sockets[name] !== undefined) {
      throw new UsageError(`LISTEN_FDNAMES has "${name}" twice: one socket of a name is accepted`);
    }
    sockets[name] = FIRST + index;
  }
  if (sockets['records-datagram'] !== undefined && sockets.records === undefined) {
    throw new UsageError(
      'LISTEN_FDNAMES has "records-datagram" without "records": both or neither is accepted',
    );
  }
  return sockets;
}
