/** What HAProxy counted of a response, in bytes with headers. */
export type Counts = {
  /** `%B`: before 3.3 what HAProxy got to send. */
  readonly read: number | undefined;
  /** `res.bytes_out`, from 3.3 on: what it sent. */
  readonly sent: number | undefined;
  /** `res.comp` */
  readonly compressed: boolean;
};

/** Whose response was sent: `replaced` is HAProxy's own in place of the server's. */
export type Origin = 'server' | 'haproxy' | 'replaced';

/**
 * The size of what the client got; undefined where HAProxy's count is wrong: before 3.3 what it compressed counts as it
 * was before, and what it replaced counts too; from 3.3 on its own replies count twice.
 */
export function responseSize(
  { read, sent, compressed }: Counts,
  origin: Origin,
): number | undefined {
  if (sent !== undefined) return origin === 'server' ? sent : undefined;
  return compressed || origin === 'replaced' ? undefined : read;
}
