import type { RootSampler } from '../context/sampling.ts';

/** A service that is asked for rules, until it is stopped. */
export type RemoteRules = { stop(): void };

export type RemoteRulesEvents = {
  /** There are rules, or others than before. @param told what the service said, for the log */
  readonly onRules: (sampler: RootSampler, told?: object) => void;
  readonly onAnswer: () => void;
  readonly onFailure: (reason: string) => void;
};
