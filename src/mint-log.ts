import type { BadArgument } from './context/mint-request.ts';
import type { Logger } from './log.ts';
import { throttle } from './log-throttle.ts';

export function createBadArgumentLog(log: Logger): BadArgument {
  return throttle(
    (name, value, accepts) =>
      log.warn({ [name]: value, accepts }, 'HAProxy asks for something that is not accepted'),
    { kindOf: (name) => name },
  );
}

/**
 * How often it is logged that no rule sets the trust of callers, in milliseconds: that lasts until the configuration
 * is edited.
 */
const TRUST_UNSET_INTERVAL = 3_600_000;

export function createTrustUnsetLog(log: Logger): () => void {
  const hint =
    'no rule sets txn.otel.trust to continue or restart, or a rule before it ends evaluation: haproxy-otel-spoa check names it';
  return throttle(
    () =>
      log.warn(
        { hint },
        'HAProxy does not say whom to trust: no trace of these callers is continued',
      ),
    {
      interval: TRUST_UNSET_INTERVAL,
      logCount: (requests) =>
        log.warn({ requests, hint }, 'requests of callers of whom nothing is said'),
    },
  );
}
