import { COMMANDS } from './commands.ts';
import { type Command, helpOf, parseOptions, ToolExit } from './options.ts';
import type { Env } from './settings.ts';

/** Commands that do not run the agent. */
export type Tool = Exclude<keyof typeof COMMANDS, 'run' | 'demo'>;

export function isTool(command: string): command is Tool {
  return Object.hasOwn(COMMANDS, command) && command !== 'run' && command !== 'demo';
}

/**
 * Loads the command that is asked for, and no other.
 *
 * @throws UsageError for wrong usage, and for what cannot be read
 */
export async function runTool(tool: Tool, args: readonly string[], env: Env): Promise<ToolExit> {
  const write = (text: string): void => {
    process.stdout.write(text);
  };
  const command: Command = COMMANDS[tool];
  if (parseOptions(args, command).values.help) {
    write(helpOf(tool, command));
    return ToolExit.OK;
  }
  switch (tool) {
    case 'add':
      return (await import('./wiring/command.ts')).addCommand(args, env, write);
    case 'remove':
      return (await import('./wiring/remove.ts')).removeCommand(args, env, write);
    case 'check':
      return (await import('./check/command.ts')).checkCommand(args, env, write);
    case 'verify':
      return (await import('./verify/command.ts')).verifyCommand(args, env, write);
    default:
      return tool satisfies never;
  }
}
