import { parseOptions } from '../options.ts';
import { ConfigError, type Env } from '../settings.ts';

/** Command-line flags; each has the environment variable of the same meaning. */
export const FLAGS = {
  config: 'HAPROXY_OTEL_CONFIG',
  spop: 'HAPROXY_OTEL_SPOP',
  records: 'HAPROXY_OTEL_RECORDS',
  admin: 'HAPROXY_OTEL_ADMIN',
  'log-level': 'OTEL_LOG_LEVEL',
} as const;

export type CommandLine = {
  readonly command: 'run' | 'demo';
  readonly help: boolean;
  readonly version: boolean;
  readonly once: boolean;
  /** Flags as the environment variables they stand for. */
  readonly settings: Env;
};

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
  once: { type: 'boolean' },
  config: { type: 'string' },
  spop: { type: 'string' },
  records: { type: 'string' },
  admin: { type: 'string' },
  'log-level': { type: 'string' },
} as const;

/** Commands with the flags that each takes beside `--help` and `--version`. */
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  run: Object.keys(FLAGS),
  demo: ['once'],
};

/** @throws ConfigError for an unknown command or flag, one of another command, or a missing value */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const { values, positionals } = parseOptions(args, OPTIONS, 1);
  const command = positionals[0] ?? 'run';
  const taken = COMMANDS[command];
  if (taken === undefined) {
    throw new ConfigError(
      `unknown command "${command}": run, demo, add, remove, check or verify is accepted`,
    );
  }
  const other = Object.keys(values).find((flag) => !['help', 'version', ...taken].includes(flag));
  if (other !== undefined) throw new ConfigError(`--${other} is no flag of ${command}`);
  const settings: Record<string, string> = {};
  for (const [flag, variable] of Object.entries(FLAGS)) {
    const value = values[flag as keyof typeof FLAGS];
    if (value !== undefined) settings[variable] = value;
  }
  const { help = false, version = false, once = false } = values;
  return { command: command === 'demo' ? 'demo' : 'run', help, version, once, settings };
}
