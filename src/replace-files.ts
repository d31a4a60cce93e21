import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { errorText } from './error-text.ts';
import { UsageError } from './settings.ts';

/** The content of a file before and after; undefined is no file. */
export type Change = {
  readonly path: string;
  readonly before: Buffer | undefined;
  readonly after: Buffer | undefined;
};

/** @returns undefined where there is no such file */
export function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new UsageError(`cannot read ${path}: ${errorText(error)}`);
  }
}

/**
 * Replaces files one by one, each in one step: whoever reads sees the old or the new. Mode, owner and links are as they
 * were; a new file is like `model`.
 *
 * @param changes in the order in which they are made: whoever reads between two of them finds the first ones done
 * @throws UsageError when a file is not what it was read as, or cannot be written: then none is changed
 */
export function applyChanges(changes: readonly Change[], model: string): void {
  const wanted = changes.filter(({ before, after }) => !isSame(before, after));
  const staged: {
    readonly change: Change;
    readonly target: string;
    readonly temporary: string | undefined;
  }[] = [];
  const done: Done[] = [];
  try {
    for (const change of wanted) {
      const target = change.before === undefined ? change.path : realpathSync(change.path);
      const { after } = change;
      const temporary =
        after === undefined
          ? undefined
          : stage(target, after, change.before === undefined ? model : target);
      staged.push({ change, target, temporary });
    }
    for (const { path, before } of wanted) {
      if (isSame(readIfThere(path), before)) continue;
      throw new UsageError(`${path} was changed by somebody else meanwhile: nothing is written`);
    }
    for (const { change, target, temporary } of staged) {
      if (temporary === undefined) rmSync(target);
      else renameSync(temporary, target);
      done.push({ before: change.before, target });
    }
  } catch (error) {
    const unrestored = done.reverse().filter((each) => !undo(each, model));
    if (error instanceof UsageError) throw error;
    const what =
      unrestored.length === 0
        ? 'nothing is written'
        : `only ${unrestored.map(({ target }) => target).join(', ')} could be written, and not be put back`;
    throw new UsageError(`${what}: ${errorText(error)}`);
  } finally {
    for (const { temporary } of staged) {
      if (temporary !== undefined) rmSync(temporary, { force: true });
    }
  }
}

/** What was replaced, or removed. */
type Done = { readonly before: Buffer | undefined; readonly target: string };

/** @returns whether all is as it was */
function undo({ before, target }: Done, model: string): boolean {
  try {
    if (before === undefined) rmSync(target);
    else renameSync(stage(target, before, existsSync(target) ? target : model), target);
    return true;
  } catch {
    return false;
  }
}

/** A name that HAProxy does not load as a configuration where it loads whole folders. */
function stage(target: string, content: Buffer, like: string): string {
  const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.otel`);
  const { mode, uid, gid } = statSync(like);
  const file = openSync(temporary, 'wx', 0o600);
  try {
    writeFileSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  const own = statSync(temporary);
  if (own.uid !== uid || own.gid !== gid) chownSync(temporary, uid, gid);
  chmodSync(temporary, mode & 0o7777);
  return temporary;
}

export function isSame(a: Buffer | undefined, b: Buffer | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b);
}
