import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { COMMANDS } from '../commands.ts';
import { findProgram, programOf } from '../haproxy/program.ts';
import { startedWith } from '../haproxy/running.ts';
import { describeRefusal, tryOut } from '../haproxy/trial.ts';
import { parseOptions, ToolExit } from '../options.ts';
import { type Change, readIfThere } from '../replace-files.ts';
import { type Env, UsageError } from '../settings.ts';
import { changesOf, finish, rewire } from './command.ts';
import { isOurs } from './engine-file.ts';
import { checkNames } from './options.ts';
import { ENGINE_FILE } from './plan.ts';
import { readFiles, wire } from './wire.ts';

/** @throws UsageError for wrong usage, and for what HAProxy does not accept any more: then nothing is written */
export function removeCommand(
  args: readonly string[],
  env: Env,
  write: (text: string) => void,
): ToolExit {
  const { values, positionals } = parseOptions(args, COMMANDS.remove);
  const isWritten = values.write === true;
  const directory = process.cwd();
  const started = startedWith([...(values.file ?? []), ...positionals], env);
  const files = readFiles(started.paths);
  if (values.frontend !== undefined && files.isWired) {
    const program = programOf(values.haproxy, env);
    const { plan } = wire(files, {}, {}, { ...program, env: started.env }, directory);
    const traced = plan.frontends.flatMap(({ proxy, reporting }) =>
      reporting === undefined ? [] : [proxy.name],
    );
    checkNames(values.frontend, traced);
    const frontend = traced.filter((name) => !values.frontend?.includes(name)).join(',');
    if (frontend !== '') {
      rewire({ files, started, program }, { frontend }, {}, isWritten, write);
      return ToolExit.OK;
    }
  }
  const { paths } = started;
  const program =
    values.haproxy === undefined ? findProgram('haproxy', env) : programOf(values.haproxy, env);
  if (program !== undefined && files.isWired) {
    const asks = (texts: ReadonlyMap<string, string>) =>
      tryOut({ paths, texts, engine: undefined }, program, started.env, directory);
    const result = asks(files.clean);
    // A configuration that HAProxy refuses already may still be changed.
    if (!result.accepted && asks(files.current).accepted) {
      throw new UsageError(
        `nothing is written: HAProxy refuses the result: ${describeRefusal(result)}`,
      );
    }
  }
  const changes = [
    // Frontends stop inheriting from sections before these are removed.
    ...changesOf(files.current, files.clean, directory).reverse(),
    ...engines([...files.current.keys()], directory),
  ];
  finish(changes, isWritten, [], write);
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
