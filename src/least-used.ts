/** A connection of a listener that has a limit of them. */
type Usable = {
  /** Whether it was ever used for what it is there for. */
  readonly isUsed: boolean;
  /** Milliseconds since it was used last, or else began. */
  readonly idle: number;
};

/** A connection that was used within these milliseconds is in use. */
const IN_USE = 5_000;

/**
 * Which of too many connections is to be closed, so that who only has connections keeps nobody out: the first that was
 * never used, or the one that is idle the longest; `added`, the newest, where all others are in use.
 */
export function leastUsed<T extends Usable>(connections: Iterable<T>, added: T): T {
  let idle = IN_USE;
  let found = added;
  for (const connection of connections) {
    if (connection === added) continue;
    if (!connection.isUsed) return connection;
    if (connection.idle < idle) continue;
    idle = connection.idle;
    found = connection;
  }
  return found;
}
