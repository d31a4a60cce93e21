import { defaultOf, SETTINGS, type SettingName, type SettingValue } from '../config/table.ts';
import type { ListenAddress } from '../listen-address.ts';
import type { Env } from '../settings.ts';

/** What HAProxy's lines have to agree with, of the agent's own settings. */
export type AgentSettings = {
  /** Undefined where it is written in a form that means nothing to HAProxy. */
  readonly spop: ListenAddress | undefined;
  readonly records: ListenAddress | undefined;
  readonly maxFrameSize: number;
};

/**
 * Reads them with the agent's own defaults. A value that the agent would refuse, or that only a running agent can
 * resolve, is undefined.
 */
export function agentSettings(env: Env): AgentSettings {
  return {
    spop: usable(env, 'HAPROXY_OTEL_SPOP'),
    records: usable(env, 'HAPROXY_OTEL_RECORDS'),
    maxFrameSize:
      usable(env, 'HAPROXY_OTEL_MAX_FRAME_SIZE') ?? defaultOf('HAPROXY_OTEL_MAX_FRAME_SIZE'),
  };
}

function usable<N extends SettingName>(env: Env, name: N): SettingValue<N> | undefined {
  const text = env[name]?.trim();
  return text ? (SETTINGS[name].type.parse(text) as SettingValue<N> | undefined) : defaultOf(name);
}
