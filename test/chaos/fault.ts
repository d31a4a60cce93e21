import type { Installation } from './installation.ts';
import type { Named, Occurrence } from './schedule.ts';

export type Fault = Named & {
  /** Why it cannot be had here. */
  readonly without?: string | false;
  /** Begins it, waits with `lasting`, and ends it: everything is as before then. */
  readonly run: (
    installation: Installation,
    occurrence: Occurrence,
    lasting: () => Promise<void>,
  ) => Promise<void>;
};
