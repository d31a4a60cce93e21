import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { findProgram, programOf } from '../haproxy/program.ts';
import { startedWith } from '../haproxy/running.ts';
import { describeMessage, tryOut } from '../haproxy/trial.ts';
import { parseOptions, ToolExit } from '../options.ts';
import { type Change, readIfThere } from '../replace-files.ts';
import { ConfigError, type Env } from '../settings.ts';
import { changesOf, finish } from './command.ts';
import { isOurs } from './engine-file.ts';
import { ENGINE_FILE } from './plan.ts';
import { readFiles } from './wire.ts';

const HELP = `haproxy-otel-spoa remove: takes out of a configuration of HAProxy what "add" put in

Usage: haproxy-otel-spoa remove [options]           prints what it would change
       haproxy-otel-spoa remove [options] --write   changes it

  -f, --file PATH       file or folder, as HAProxy is given it; may be
                        repeated                    what the service is started with
  --haproxy PROGRAM     the HAProxy that has to accept it             haproxy, if there is one
  --write               files are replaced
  --help

What you changed meanwhile stays; all else is byte for byte what it was.
`;

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  file: { type: 'string', short: 'f', multiple: true },
  haproxy: { type: 'string' },
  write: { type: 'boolean' },
} as const;

/** @throws ConfigError for wrong usage, and for what HAProxy does not accept any more: then nothing is written */
export function removeCommand(
  args: readonly string[],
  env: Env,
  write: (text: string) => void,
): ToolExit {
  const { values } = parseOptions(args, OPTIONS, 0);
  if (values.help) {
    write(HELP);
    return ToolExit.OK;
  }
  const directory = process.cwd();
  const started = values.file === undefined ? startedWith(env) : { paths: values.file, env };
  const files = readFiles(started.paths);
  const { paths } = started;
  const program =
    values.haproxy === undefined ? findProgram('haproxy', env) : programOf(values.haproxy, env);
  if (program !== undefined && files.isWired) {
    const now = tryOut(
      { paths, texts: files.clean, engine: undefined },
      program,
      started.env,
      directory,
    );
    const found = now.messages.find(({ level }) => level === 'alert');
    // What it refuses already is not made worse.
    const isFine =
      now.accepted ||
      !tryOut({ paths, texts: files.current, engine: undefined }, program, started.env, directory)
        .accepted;
    if (!isFine) {
      throw new ConfigError(
        `nothing is written: HAProxy refuses the result: ${found ? describeMessage(found) : 'it says no reason'}`,
      );
    }
  }
  const changes = [
    ...changesOf(files.current, files.clean, directory),
    ...engines([...files.current.keys()], directory),
  ];
  finish(changes, values.write === true, [], write);
  return ToolExit.OK;
}

/** The engine's file, unless another configuration in its folder loads it, too. */
function engines(files: readonly string[], directory: string): Change[] {
  const paths = files.map((file) => resolve(directory, file));
  return [...new Set(paths.map(dirname))].flatMap((folder): Change[] => {
    const path = join(folder, ENGINE_FILE);
    const before = readIfThere(path);
    if (before === undefined || !isOurs(before.toString('utf8'))) return [];
    const others = readdirSync(folder)
      .map((name) => join(folder, name))
      .filter((other) => other.endsWith('.cfg') && !paths.includes(other));
    if (others.some((other) => readFileSync(other, 'latin1').includes(path))) return [];
    return [{ path, before, after: undefined }];
  });
}
