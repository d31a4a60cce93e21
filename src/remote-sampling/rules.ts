import type { RootSampler } from '../context/sampling.ts';

/** A service that is asked for rules, until it is stopped. */
export type RemoteRules = { stop(): void };

export type RemoteRulesEvents = {
  /** There are new rules. @param description the service's response, for the log */
  readonly onRules: (sampler: RootSampler, description?: object) => void;
  readonly onAnswer: () => void;
  readonly onFailure: (reason: string) => void;
};
