/** Upper bounds of the latency histogram, in seconds. */
export const LATENCY_BOUNDS = [
  10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3,
] as const;

/** What the mint thread counts. Totals since the start unless noted. */
export const MINT_NAMES = [
  /** When this was written, in milliseconds since the epoch. */
  'publishedAt',
  /** 1 while HAProxy's connections are accepted. */
  'listening',
  /** Now. */
  'connectionsOpen',
  'handshakes',
  'healthchecks',
  'endedProtocol',
  'endedUnread',
  'notifies',
  'continued',
  'started',
  'restarted',
  'invalid',
  'ignored',
  'sampled',
  'limited',
  /** Milliseconds. */
  'latencySum',
  /** Of the last whole window, in milliseconds. */
  'delayP50',
  'delayP99',
  'delayMax',
  /** Bytes, now. */
  'heapUsed',
] as const;
export type MintName = (typeof MINT_NAMES)[number];

export type MintSnapshot = Readonly<Record<MintName, number>> & {
  /** NOTIFYs by latency: one number for each of `LATENCY_BOUNDS`, and one for what took longer. */
  readonly latency: readonly number[];
  /** Requests whose context was decided on, up to this moment. */
  readonly minted: number;
};

/** Requests whose context was decided on. */
export function decidedBy(mint: MintSnapshot): number {
  return mint.continued + mint.started + mint.restarted + mint.ignored + mint.invalid;
}
