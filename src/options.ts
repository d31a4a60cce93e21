import { type ParseArgsConfig, parseArgs } from 'node:util';
import { UsageError } from './settings.ts';

/** One option of a command. */
export type Option = {
  /** What stands for its value in the help; absent for an option that has none. */
  readonly value?: string;
  readonly short?: string;
  /** May be repeated: a list of values. */
  readonly multiple?: true;
  readonly description: string;
  /** What holds without it. */
  readonly default?: string;
};

export type OptionTable = Readonly<Record<string, Option>>;

/** A command, of which `--help`, the man page and the parsing of its arguments are made. */
export type Command = {
  readonly summary: string;
  /** Its arguments beside options, as the help has them. */
  readonly operands: string;
  /** How many of these it has, at most. */
  readonly most: number;
  readonly about?: string;
  readonly options: OptionTable;
  /** Behind the options: exit codes, and the like. */
  readonly notes?: string;
};

export type Options<T extends OptionTable> = {
  readonly values: {
    readonly [Name in keyof T]?: T[Name] extends { readonly multiple: true }
      ? readonly string[]
      : T[Name] extends { readonly value: string }
        ? string
        : boolean;
  };
  readonly positionals: readonly string[];
};

/**
 * Reads the arguments of one command.
 *
 * @param most how many arguments beside options it has
 * @throws UsageError for an unknown option, a missing value or an argument too many
 */
export function parseOptions<const T extends OptionTable>(
  args: readonly string[],
  { options: table, most }: { readonly options: T; readonly most: number },
): Options<T> {
  const options = Object.entries<Option>(table).map(
    ([name, { value, short, multiple = false }]) => [
      name,
      { type: value === undefined ? 'boolean' : 'string', multiple, ...(short && { short }) },
    ],
  );
  const config = {
    args: withNegatives(args, table),
    allowPositionals: true,
    options: Object.fromEntries(options),
  };
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs(config as ParseArgsConfig);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError(error.message.split('. ', 1)[0] ?? error.message);
  }
  const unexpected = parsed.positionals[most];
  if (unexpected !== undefined) throw new UsageError(`unexpected argument "${unexpected}"`);
  return parsed as unknown as Options<T>;
}

/** A negative number is the value of the option before it, not an option: `--ratio -1` as `--ratio=-1`. */
function withNegatives(args: readonly string[], table: OptionTable): string[] {
  const all: string[] = [];
  for (const arg of args) {
    const name = /^--(.*)$/.exec(all.at(-1) ?? '')?.[1] ?? '';
    if (/^-\.?\d/.test(arg) && table[name]?.value !== undefined) all.push(`${all.pop()}=${arg}`);
    else all.push(arg);
  }
  return all;
}

const WIDTH = 100;

/** The text of `--help`. */
export function helpOf(name: string, command: Command): string {
  const { summary, operands, about = '', options, notes = '' } = command;
  const heads = Object.entries(options).map(([option, { value = '', short }]) =>
    `  ${short === undefined ? '' : `-${short}, `}--${option} ${value}`.trimEnd(),
  );
  const indent = Math.max(...heads.map(({ length }) => length)) + 2;
  const lines = Object.values(options).map((option, index) =>
    `${(heads[index] ?? '').padEnd(indent)}${wrapped(describe(option), indent)}`.trimEnd(),
  );
  const parts = [
    `haproxy-otel-spoa ${name}: ${summary}`,
    `Usage: haproxy-otel-spoa ${name} [options] ${operands}`.trimEnd(),
    wrapped(about, 0),
    lines.join('\n'),
    wrapped(notes, 0),
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

/** What an option is for, and what holds without it. */
export function describe({ description, default: fallback, multiple }: Option): string {
  const repeated = multiple ? '; may be repeated' : '';
  return `${description}${repeated}${fallback === undefined ? '' : ` (default: ${fallback})`}`;
}

/** In lines that are not longer than `WIDTH`, those behind the first one indented. */
function wrapped(text: string, indent: number): string {
  const fitting = new RegExp(`\\S.{0,${WIDTH - indent - 1}}(?= |$)`, 'gm');
  return (text.match(fitting) ?? []).join(`\n${' '.repeat(indent)}`);
}

/** Exit code of a command for HAProxy's side. `FAILED`: it has no result, whatever the reason. */
export const ToolExit = { OK: 0, FOUND: 1, FAILED: 2, PARTIAL: 3 } as const;
export type ToolExit = (typeof ToolExit)[keyof typeof ToolExit];
