import { peerOf } from './peers.ts';
import type { LineBytes, Peer } from './record.ts';
import { MISSING } from './table.ts';

/** What was wrong with a connection that never got as far as a request, and what it had connected to. */
export type Failure = { readonly error: string; readonly local: Peer | undefined };

const MAX_LENGTH = 256;

/** As `SHORTEST_ERROR_FORMAT` (format.ts) has it: address, port and error. */
const OURS = /^otel (\S+) (\S+) (.*)$/;

/** Reads the message of such a connection: of an error-log-format of the user's, all of it is what was wrong. */
export function failureIn(line: LineBytes | undefined): Failure {
  const { buffer, start = 0, end = 0 } = line ?? {};
  const text = buffer?.toString('utf8', start, Math.min(end, start + MAX_LENGTH)) ?? MISSING;
  const [, address, port, error] = OURS.exec(text) ?? [];
  if (address !== undefined && error !== undefined) {
    return { error: known(error), local: peerOf(address, Number(port) || undefined) };
  }
  return { error: known(text), local: undefined };
}

function known(error: string): string {
  return error === MISSING || error === '' ? 'unknown' : error;
}
