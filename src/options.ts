import { type ParseArgsConfig, parseArgs } from 'node:util';
import { ConfigError } from './settings.ts';

/** A command's options: those that take a value, and those that do not. */
export type OptionTable = Readonly<
  Record<
    string,
    {
      readonly type: 'string' | 'boolean';
      readonly short?: string;
      /** Given as often as one likes: a list of values. */
      readonly multiple?: true;
    }
  >
>;

export type Options<T extends OptionTable> = {
  readonly values: {
    readonly [Name in keyof T]?: T[Name] extends { readonly multiple: true }
      ? readonly string[]
      : T[Name]['type'] extends 'string'
        ? string
        : boolean;
  };
  readonly positionals: readonly string[];
};

/**
 * Reads the arguments of one command.
 *
 * @param most how many arguments beside options it takes
 * @throws ConfigError for an unknown option, a missing value or an argument too many
 */
export function parseOptions<const T extends OptionTable>(
  args: readonly string[],
  table: T,
  most: number,
): Options<T> {
  const options = {
    args: [...args],
    allowPositionals: true,
    options: table as ParseArgsConfig['options'],
  };
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs(options as ParseArgsConfig);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new ConfigError(error.message.split('. ', 1)[0] ?? error.message);
  }
  const unexpected = parsed.positionals[most];
  if (unexpected !== undefined) throw new ConfigError(`unexpected argument "${unexpected}"`);
  return parsed as unknown as Options<T>;
}

/** Exit code of a command that looks at HAProxy's side. `FAILED`: it came to no result, whatever the reason. */
export const ToolExit = { OK: 0, FOUND: 1, FAILED: 2, PARTIAL: 3 } as const;
export type ToolExit = (typeof ToolExit)[keyof typeof ToolExit];
