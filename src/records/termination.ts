/**
 * What HAProxy's termination state says about the end of a hop (configuration manual, "Session state at
 * disconnection"): whose doing it was, and why.
 */
export type Outcome = {
  readonly fault: Fault;
  /** A name from this closed list, for `error.type`; undefined when the hop ended as it should. */
  readonly cause: Cause | undefined;
  /** A server was turned to: there is something to tell about it. */
  readonly triedServer: boolean;
};

export type Fault = 'none' | 'client' | 'server' | 'proxy';

export type Cause =
  | 'client_abort'
  | 'client_timeout'
  | 'connect_error'
  | 'connect_timeout'
  | 'no_server'
  | 'queue_timeout'
  | 'server_abort'
  | 'server_timeout'
  | 'server_down'
  | 'invalid_response'
  | 'resource_exhausted'
  | 'internal_error'
  | 'killed';

/**
 * @param state the two to four characters of `%ts` or `%tsc`
 * @param hasServer a server was chosen
 * @param reachedServer the request had left the queue, so that the chosen server was really tried
 */
export function outcomeOf(state: string, hasServer: boolean, reachedServer: boolean): Outcome {
  const [first, second] = state;
  const triedServer = hasServer && reachedServer;
  switch (first) {
    case 'C':
      return { fault: 'client', cause: 'client_abort', triedServer };
    case 'c':
      return { fault: 'client', cause: 'client_timeout', triedServer };
    case 'S':
      if (second !== 'C') return { fault: 'server', cause: 'server_abort', triedServer };
      return hasServer
        ? { fault: 'server', cause: 'connect_error', triedServer }
        : { fault: 'server', cause: 'no_server', triedServer };
    case 's':
      if (second === 'Q') return { fault: 'server', cause: 'queue_timeout', triedServer: false };
      if (second === 'C') return { fault: 'server', cause: 'connect_timeout', triedServer };
      return { fault: 'server', cause: 'server_timeout', triedServer };
    case 'P':
      if (second === 'C') return { fault: 'proxy', cause: 'resource_exhausted', triedServer };
      // Before a server was turned to, this is a rule of the user's: the status tells it all.
      return triedServer
        ? { fault: 'server', cause: 'invalid_response', triedServer }
        : { fault: 'none', cause: undefined, triedServer };
    case 'R':
      return { fault: 'proxy', cause: 'resource_exhausted', triedServer };
    case 'I':
      return { fault: 'proxy', cause: 'internal_error', triedServer };
    case 'D':
      return { fault: 'server', cause: 'server_down', triedServer };
    case 'U':
    case 'K':
      return { fault: 'proxy', cause: 'killed', triedServer };
    default:
      return { fault: 'none', cause: undefined, triedServer };
  }
}
