import { resolve } from 'node:path';
import { COMMANDS } from '../commands.ts';
import { serviceSettings } from '../config/settings-file.ts';
import { type Program, programOf } from '../haproxy/program.ts';
import { type Started, startedWith } from '../haproxy/running.ts';
import { compare } from '../haproxy/trial.ts';
import { type Options, parseOptions, ToolExit } from '../options.ts';
import { applyChanges, type Change, isSame } from '../replace-files.ts';
import { type Env, UsageError } from '../settings.ts';
import { engineText, engineThere, hasEngine, installCommand } from './engine-file.ts';
import { RECORDED, type Words } from './options.ts';
import {
  describeControllers,
  describeFrontend,
  describeHeaders,
  describeUnsampled,
  diffOf,
} from './summary.ts';
import { readFiles, type WiringFiles, wire, withFrontends } from './wire.ts';

/** @throws UsageError for wrong usage, and for what HAProxy does not accept: then nothing is written */
export function addCommand(
  args: readonly string[],
  env: Env,
  write: (text: string) => void,
): ToolExit {
  const { values, positionals } = parseOptions(args, COMMANDS.add);
  const started = startedWith([...(values.file ?? []), ...positionals], env);
  const files = readFiles(started.paths);
  const settings = serviceSettings(env, values.config).env;
  const words = withFrontends(wordsOf(values), files);
  const changing = { files, started, program: programOf(values.haproxy, env) };
  rewire(changing, words, settings, values.write === true, write);
  return ToolExit.OK;
}

/** A configuration, and who reads it. */
export type Changing = {
  readonly files: WiringFiles;
  readonly started: Started;
  readonly program: Program;
};

/** @throws UsageError for what HAProxy does not accept: then nothing is written */
export function rewire(
  { files, started, program }: Changing,
  words: Words,
  settings: Env,
  isWritten: boolean,
  write: (text: string) => void,
): void {
  const directory = process.cwd();
  const { paths, env } = started;
  const { version, features } = program;
  const wired = wire(files, words, settings, { env, version, features }, directory);
  const { plan, options, texts } = wired;
  const engine = { path: plan.engine, text: engineText() };
  const before = { paths, texts: files.clean, engine: undefined };
  const isOwnThere = options.engine !== undefined && hasEngine(options.engine);
  const after = { paths, texts, engine: isOwnThere ? undefined : engine };
  const refusal = compare(before, after, program, env, directory);
  if (refusal !== undefined) throw new UsageError(`nothing is written: ${refusal}`);
  const own = (): Change => ({
    path: plan.engine,
    before: engineThere(plan.engine),
    after: Buffer.from(engine.text),
  });
  const changes = [
    // HAProxy needs it as soon as the configuration is there.
    ...(options.engine === undefined ? [own()] : []),
    ...changesOf(files.current, texts, directory),
  ];
  const notes = [
    ...plan.frontends.map((frontend) => describeFrontend(frontend, version)),
    ...describeUnsampled(wired, version),
    ...describeHeaders(wired, files),
    ...describeControllers(files.clean),
    ...(options.engine === undefined || isOwnThere ? [] : [describeMissing(options.engine)]),
    `HAProxy ${version.text} accepts it.`,
  ];
  finish(changes, isWritten, notes, write);
}

function describeMissing(engine: string): string {
  return `${engine} is not there yet, where HAProxy does not start without it: ${installCommand(engine)}`;
}

/** What `add` and `remove` end with. */
export function finish(
  changes: readonly Change[],
  isWritten: boolean,
  notes: readonly string[],
  write: (text: string) => void,
): void {
  const changed = changes.filter(({ before, after }) => !isSame(before, after));
  const model = changes.find(({ before, after }) => before !== undefined && after !== undefined);
  if (isWritten) applyChanges(changed, model?.path ?? '.');
  else {
    for (const { path, before, after } of changed) {
      if (before === undefined || after === undefined) continue;
      write(diffOf(path, before.toString('latin1'), after.toString('latin1')));
    }
  }
  const what =
    changed.length === 0
      ? ['Nothing is to be changed.']
      : changed.map(({ path, after }) => {
          const done = after === undefined ? 'removed' : 'written';
          return `${path}: ${isWritten ? done : `not ${done} without --write`}`;
        });
  write(`${[...notes, ...what].join('\n')}\n`);
}

export function changesOf(
  current: ReadonlyMap<string, string>,
  texts: ReadonlyMap<string, string>,
  directory: string,
): Change[] {
  return [...texts].map(([file, text]) => ({
    path: resolve(directory, file),
    before: Buffer.from(current.get(file) ?? '', 'latin1'),
    after: Buffer.from(text, 'latin1'),
  }));
}

function wordsOf(values: Options<typeof COMMANDS.add.options>['values']): Words {
  const words = RECORDED.map((name) => {
    const value = values[name];
    return [name, typeof value === 'object' ? value.join(',') : value === true ? '' : value];
  });
  return Object.fromEntries(words.filter(([, value]) => value !== undefined));
}
