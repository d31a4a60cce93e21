import { parseArgs } from 'node:util';
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
  readonly command: string;
  readonly help: boolean;
  readonly version: boolean;
  readonly once: boolean;
  /** Flags as the environment variables they stand for. */
  readonly settings: Env;
};

/** @throws ConfigError for an unknown flag or a missing value */
export function parseCommandLine(args: readonly string[]): CommandLine {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        version: { type: 'boolean', short: 'v', default: false },
        once: { type: 'boolean', default: false },
        config: { type: 'string' },
        spop: { type: 'string' },
        records: { type: 'string' },
        admin: { type: 'string' },
        'log-level': { type: 'string' },
      },
    });
    const [command = 'run', ...rest] = positionals;
    if (rest.length > 0) throw new ConfigError(`unexpected argument "${rest[0]}"`);
    const settings: Record<string, string> = {};
    for (const [flag, variable] of Object.entries(FLAGS)) {
      const value = values[flag as keyof typeof FLAGS];
      if (value !== undefined) settings[variable] = value;
    }
    return {
      command,
      help: values.help,
      version: values.version,
      once: values.once,
      settings,
    };
  } catch (error) {
    if (error instanceof ConfigError || !(error instanceof TypeError)) throw error;
    throw new ConfigError(error.message.split('. ', 1)[0] ?? error.message);
  }
}
