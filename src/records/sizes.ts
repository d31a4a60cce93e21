/** Whose response was sent: `replaced` is HAProxy's own in place of the server's. */
export type Origin = 'server' | 'haproxy' | 'replaced';

/**
 * The size of what the client got; undefined where HAProxy's count is wrong: before 3.3 what it compressed counts as it
 * was before, and what it replaced counts too; from 3.3 on its own replies count twice.
 *
 * @param read `%B`: before 3.3 what HAProxy got to send, in bytes with headers
 * @param sent `res.bytes_out`, from 3.3 on: what it sent
 * @param compressed `res.comp`
 */
export function responseSize(
  read: number | undefined,
  sent: number | undefined,
  compressed: boolean,
  origin: Origin,
): number | undefined {
  if (sent !== undefined) return origin === 'server' ? sent : undefined;
  return compressed || origin === 'replaced' ? undefined : read;
}
