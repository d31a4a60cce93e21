import { resolve } from 'node:path';
import {
  type Configuration,
  parseConfiguration,
  type ReadingOptions,
  readTexts,
} from '../haproxy/configuration.ts';
import { ConfigError, type Env } from '../settings.ts';
import { readIfThere } from './apply.ts';
import { applyEdits } from './edits.ts';
import { unwire } from './markers.ts';
import {
  recorded,
  recordedWords,
  type WiringOptions,
  type Words,
  wiringOptions,
} from './options.ts';
import { type Plan, planWiring } from './plan.ts';

/** The files of a configuration as they are, and as they are without what `add` wrote. */
export type Files = {
  readonly current: ReadonlyMap<string, string>;
  readonly clean: ReadonlyMap<string, string>;
  readonly isWired: boolean;
  /** Options of the `add` that wrote what is there. */
  readonly words: Words;
};

const COMMAND = /^haproxy-otel-spoa add ?/;

/** @throws ConfigError for what cannot be read, or a block of `add` that does not end */
export function readFiles(paths: readonly string[]): Files {
  return filesOf(readTexts(paths, 'latin1'));
}

/** @throws ConfigError for a block of `add` that does not end */
export function filesOf(current: ReadonlyMap<string, string>): Files {
  const unwired = new Map([...current].map(([file, text]) => [file, unwire(text, file)]));
  const all = [...unwired.values()];
  const command = all.flatMap(({ notes }) => notes).find((note) => COMMAND.test(note));
  return {
    current,
    clean: new Map([...unwired].map(([file, { text }]) => [file, text])),
    isWired: all.some(({ isWired }) => isWired),
    words: recordedWords(command?.replace(COMMAND, '') ?? ''),
  };
}

/** A configuration with all that tracing needs. */
export type Wired = {
  readonly clean: Configuration;
  readonly options: WiringOptions;
  readonly plan: Plan;
  readonly texts: ReadonlyMap<string, string>;
};

/**
 * @param words options; those of an earlier `add` count where they are not given
 * @param settings of the agent
 * @throws ConfigError for options that are not accepted, or where there is nothing to trace
 */
export function wire(
  files: Files,
  words: Words,
  settings: Env,
  reading: ReadingOptions,
  directory: string,
): Wired {
  const all = { ...files.words, ...words };
  const options = wiringOptions(all, settings);
  const clean = parseConfiguration(files.clean, reading);
  const plan = planWiring(clean, options, recorded(all, options), directory);
  const texts = new Map(
    [...files.clean].map(([file, text]) => [
      file,
      applyEdits(
        text,
        plan.edits.filter((edit) => edit.file === file),
      ),
    ]),
  );
  return { clean, options, plan, texts };
}

/** @throws ConfigError for a file of this name that somebody else wrote */
export function engineThere(path: string, isOurs: (text: string) => boolean): Buffer | undefined {
  const there = readIfThere(path);
  if (there === undefined || isOurs(there.toString('utf8'))) return there;
  throw new ConfigError(`${resolve(path)} is there already, and was not written by "add"`);
}
