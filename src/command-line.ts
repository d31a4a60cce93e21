import { COMMANDS } from './commands.ts';
import { parseOptions } from './options.ts';
import { type Env, UsageError } from './settings.ts';

export type CommandLine = {
  readonly command: 'run' | 'demo';
  readonly help: boolean;
  readonly version: boolean;
  readonly once: boolean;
  /** Flags as the environment variables they stand for. */
  readonly settings: Env;
};

/** @throws UsageError for an unknown command or flag, one of another command, or a missing value */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const { run, demo } = COMMANDS;
  const options = { ...run.options, ...demo.options };
  const { values, positionals } = parseOptions(args, { options, most: 1 });
  const command = positionals[0] ?? 'run';
  if (command !== 'run' && command !== 'demo') {
    const names = Object.keys(COMMANDS)
      .join(', ')
      .replace(/, (?=\w+$)/, ' or ');
    throw new UsageError(`unknown command "${command}": ${names} is accepted`);
  }
  const other = Object.keys(values).find((flag) => !(flag in COMMANDS[command].options));
  if (other !== undefined) throw new UsageError(`--${other} is no flag of ${command}`);
  const settings = Object.fromEntries(
    Object.entries(run.options).flatMap(([flag, option]) => {
      const value = values[flag as keyof typeof values];
      return 'setting' in option && typeof value === 'string' ? [[option.setting, value]] : [];
    }),
  );
  const { help = false, version = false, once = false } = values;
  return { command, help, version, once, settings };
}
