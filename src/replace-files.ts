import {
  chmodSync,
  chownSync,
  closeSync,
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
import { ConfigError } from './settings.ts';

/** What a file is to be; undefined is not to be there. */
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
    throw new ConfigError(`cannot read ${path}: ${(error as Error).message}`);
  }
}

/**
 * Replaces files one by one, each in one step: whoever reads sees the old or the new. Mode, owner and links are as they
 * were; a new file is like `model`.
 *
 * @throws ConfigError when a file is not what it was read as, or cannot be written: then none is changed
 */
export function applyChanges(changes: readonly Change[], model: string): void {
  const wanted = changes.filter(({ before, after }) => !isSame(before, after));
  const staged: {
    readonly change: Change;
    readonly target: string;
    readonly temporary: string | undefined;
  }[] = [];
  const done: Change[] = [];
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
      throw new ConfigError(`${path} was changed by somebody else meanwhile: nothing is written`);
    }
    for (const { change, target, temporary } of staged) {
      if (temporary === undefined) rmSync(target);
      else renameSync(temporary, target);
      done.push(change);
    }
  } catch (error) {
    for (const { path, before } of done) {
      if (before === undefined) rmSync(path, { force: true });
      else writeFileSync(path, before);
    }
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(`nothing is written: ${(error as Error).message}`);
  } finally {
    for (const { temporary } of staged) {
      if (temporary !== undefined) rmSync(temporary, { force: true });
    }
  }
}

/** Not a name that HAProxy takes for a configuration, where it loads whole folders. */
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

function isSame(a: Buffer | undefined, b: Buffer | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b);
}
