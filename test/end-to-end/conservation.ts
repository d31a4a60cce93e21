import { expect } from 'vitest';

/** What became of requests, each by the account of the one who did it. */
export type Account = {
  /** Answered by HAProxy. */
  readonly requests: number;
  /** Hops that the OTLP receiver has, each once. */
  readonly exported: number;
  /** Hops that it has once more. */
  readonly doubled: number;
  /** Records that HAProxy's rings had no room for: announced to the agent, or still to be. */
  readonly droppedByHaproxy: number;
  /** Records that HAProxy left in the rings of processes that it stopped. */
  readonly leftInRings?: number;
  /** Processes of HAProxy that a signal ended, with what they had. */
  readonly workersLost?: number;
  /** Hops that the agent dropped, could not export, or could not read. */
  readonly droppedByAgent: number;
};

/** How much of each a test may bring about; nothing where it is left out. */
export type Bounds = {
  readonly droppedByHaproxy?: number;
  readonly leftInRings?: number;
  readonly workersLost?: number;
  readonly droppedByAgent?: number;
  readonly doubled?: number;
  /** What nobody is left to count: in an agent that was killed, in a connection that was reset. */
  readonly uncounted?: number;
};

/** All terms, each with its number. */
export function sentence(account: Account): string {
  const { requests, exported, doubled, droppedByHaproxy, droppedByAgent } = account;
  const { leftInRings = 0, workersLost = 0 } = account;
  const reloaded =
    account.leftInRings === undefined
      ? ''
      : `+ ${leftInRings} left in rings of workers that stopped `;
  const lost = workersLost === 0 ? '' : `; ${workersLost} workers of HAProxy ended by a signal`;
  return (
    `${requests} requests = ${exported} hops exported + ${droppedByHaproxy} dropped by HAProxy ` +
    `${reloaded}+ ${droppedByAgent} dropped by the agent + ${remainder(account)} unaccounted for; ${doubled} hops doubled${lost}`
  );
}

export function remainder(account: Account): number {
  const { requests, exported, droppedByHaproxy, leftInRings = 0, droppedByAgent } = account;
  return requests - exported - droppedByHaproxy - leftInRings - droppedByAgent;
}

/** The terms that are out of their bounds. */
export function violations(account: Account, bounds: Bounds = {}): string[] {
  const terms: readonly [what: string, seen: number, most: number | undefined][] = [
    ['dropped by HAProxy', account.droppedByHaproxy, bounds.droppedByHaproxy],
    ['left in rings of workers that stopped', account.leftInRings ?? 0, bounds.leftInRings],
    ['workers of HAProxy ended by a signal', account.workersLost ?? 0, bounds.workersLost],
    ['dropped by the agent', account.droppedByAgent, bounds.droppedByAgent],
    ['doubled', account.doubled, bounds.doubled],
    ['unaccounted for', remainder(account), bounds.uncounted],
  ];
  return terms
    .filter(([, seen, most = 0]) => seen < 0 || seen > most)
    .map(([what, seen, most = 0]) => `${what}: ${seen}, not 0 to ${most}`);
}

/** Fails with all terms unless each is within its bounds and nothing is left. */
export function expectConserved(account: Account, bounds: Bounds = {}): void {
  expect(violations(account, bounds), sentence(account)).toEqual([]);
}
