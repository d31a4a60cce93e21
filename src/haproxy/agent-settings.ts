import { DEFAULT_ADDRESSES, type ListenAddress } from '../listen.ts';
import { address, type Env, integerFrom, type Parser } from '../settings.ts';

/** What HAProxy's lines have to agree with, of the agent's own settings. */
export type AgentSettings = {
  /** Undefined where it is said in a way that says nothing to HAProxy. */
  readonly spop: ListenAddress | undefined;
  readonly records: ListenAddress | undefined;
  readonly maxFrameSize: number;
};

/**
 * Reads them with the agent's own defaults. A value that the agent itself would refuse, or that only the running agent
 * understands, is nothing to compare with.
 */
export function agentSettings(env: Env): AgentSettings {
  return {
    spop: usable(env, 'HAPROXY_OTEL_SPOP', DEFAULT_ADDRESSES.spop, address),
    records: usable(env, 'HAPROXY_OTEL_RECORDS', DEFAULT_ADDRESSES.records, address),
    maxFrameSize:
      usable(env, 'HAPROXY_OTEL_MAX_FRAME_SIZE', 65_536, integerFrom(256, 16_777_216)) ?? 65_536,
  };
}

function usable<T>(env: Env, name: string, fallback: T, parser: Parser<T>): T | undefined {
  const text = env[name]?.trim();
  return text ? parser.parse(text) : fallback;
}
