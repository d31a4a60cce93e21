import {
  type Configuration,
  parseConfiguration,
  type ReadingOptions,
  readTexts,
} from '../haproxy/configuration.ts';
import { type Env, UsageError } from '../settings.ts';
import { applyEdits } from './edits.ts';
import { unwireAll } from './markers.ts';
import {
  recorded,
  recordedWords,
  type WiringOptions,
  type Words,
  wiringOptions,
} from './options.ts';
import { foreignLine, type Plan, planWiring } from './plan.ts';

/** A line of a file, from 1. */
type Position = { readonly file: string; readonly line: number };

/** The files of a configuration as they are, and as they are without what `add` wrote. */
export type WiringFiles = {
  readonly current: ReadonlyMap<string, string>;
  readonly clean: ReadonlyMap<string, string>;
  /** Where a line of the clean text stands in the file as it is. */
  readonly positionOf: (at: Position) => Position;
  readonly isWired: boolean;
  /** Options of the `add` that wrote what is there. */
  readonly words: Words;
};

const COMMAND = /^haproxy-otel-spoa add ?/;

/** @throws UsageError for what cannot be read, or a block of `add` that does not end */
export function readFiles(paths: readonly string[]): WiringFiles {
  return filesOf(readTexts(paths, 'latin1'));
}

/** @throws UsageError for a block of `add` that does not end */
export function filesOf(current: ReadonlyMap<string, string>): WiringFiles {
  const unwired = unwireAll(current);
  const all = [...unwired.values()];
  const command = all.flatMap(({ notes }) => notes).find((note) => COMMAND.test(note));
  return {
    current,
    clean: new Map([...unwired].map(([file, { text }]) => [file, text])),
    positionOf: ({ file, line }) => ({ file, line: unwired.get(file)?.numbers[line - 1] ?? line }),
    isWired: all.some(({ isWired }) => isWired),
    words: recordedWords(command?.replace(COMMAND, '') ?? ''),
  };
}

/** Frontends that are named come to those that are traced; all are traced where none was named. */
export function withFrontends(words: Words, { isWired, words: earlier }: WiringFiles): Words {
  if (!isWired || words.frontend === undefined) return words;
  if (earlier.frontend === undefined) {
    const { frontend: _all, ...others } = words;
    return others;
  }
  const names = [...earlier.frontend.split(','), ...words.frontend.split(',')];
  return { ...words, frontend: [...new Set(names)].join(',') };
}

/** Of those that were named earlier the ones that are still there. */
function namesIn({ proxies }: Configuration, earlier: Words, { frontend }: Words): Words[string] {
  const known = new Set(earlier.frontend?.split(','));
  const asked = (frontend ?? earlier.frontend)?.split(',');
  const there = asked?.filter(
    (asked) => !known.has(asked) || proxies.some(({ name }) => name === asked),
  );
  return there?.length === 0 ? frontend : there?.join(',');
}

/** A configuration with the lines of `add`. */
export type Wired = {
  readonly clean: Configuration;
  readonly options: WiringOptions;
  readonly plan: Plan;
  readonly texts: ReadonlyMap<string, string>;
};

/**
 * @param words options; those of an earlier `add` are the default
 * @param settings of the agent
 * @throws UsageError for options that are not accepted, or where there is nothing to trace
 */
export function wire(
  files: WiringFiles,
  words: Words,
  settings: Env,
  reading: ReadingOptions,
  directory: string,
): Wired {
  const clean = parseConfiguration(files.clean, reading);
  const all = { ...files.words, ...words, frontend: namesIn(clean, files.words, words) };
  const options = wiringOptions(all, settings);
  const foreign = foreignLine(clean);
  if (foreign !== undefined) {
    const { file, line } = files.positionOf(foreign);
    throw new UsageError(
      `${file}:${line}: "${foreign.words.join(' ')}" was not written by "add": take out by hand what was put in by hand`,
    );
  }
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
