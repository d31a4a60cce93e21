import type { AgentSettings } from '../haproxy/agent-settings.ts';
import type { Configuration } from '../haproxy/configuration.ts';
import type { HaproxyVersion } from '../haproxy/version.ts';
import type { Wired, WiringFiles } from '../wiring/wire.ts';

/** What `check` works on. */
export type Subject = {
  readonly files: WiringFiles;
  /** As HAProxy reads it. */
  readonly current: Configuration;
  /** What `add` would make of it; a string is the reason why it cannot. */
  readonly wired: Wired | string;
  readonly version: HaproxyVersion;
  readonly agent: AgentSettings;
};
