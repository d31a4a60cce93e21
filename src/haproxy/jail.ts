import { spawnSync } from 'node:child_process';
import { type Stats, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { lastOf } from './proxies.ts';
import type { Statement } from './statements.ts';

/** What confines HAProxy when it connects to a server: `chroot`, `user` and `group` of its global section. */
export type Jail = {
  /** Its root directory, undefined for the host's. */
  readonly root: string | undefined;
  /** The line that sets it. */
  readonly statement: Statement | undefined;
  /** Undefined where it stays the user that started it. */
  readonly user: Identity | undefined;
  readonly group: Identity | undefined;
};

type Identity = { readonly name: string; readonly id: number | undefined };

export function jailOf(global: readonly Statement[]): Jail {
  const statement = lastOf(global, 'chroot');
  const root = statement?.words[1];
  return {
    root: root === undefined || root === '/' ? undefined : root,
    statement,
    user: identityOf(global, 'user', 'uid', 'passwd'),
    group: identityOf(global, 'group', 'gid', 'group'),
  };
}

/**
 * Where HAProxy finds the socket of a `server` line: it opens it with each connection, in its jail. What it binds it has
 * opened before.
 */
export function openedPath(path: string, { root }: Jail): string {
  return root === undefined ? path : join(root, path);
}

/** Whether two paths are one file, as by a bind mount. */
export function isSameFile(one: string, other: string): boolean {
  const [a, b] = [statOf(one), statOf(other)];
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino;
}

/**
 * The path that prevents HAProxy from connecting to the socket `path`: the socket itself or a directory above it.
 *
 * @returns undefined where nothing does, or where that is not known: nothing is there, or HAProxy's user is not
 */
export function forbiddenBy(path: string, { root, user, group }: Jail): string | undefined {
  if (user?.id === undefined || user.id === 0 || statOf(path)?.isSocket() !== true)
    return undefined;
  // HAProxy drops the supplementary groups of its user.
  const gid = group === undefined ? 0 : group.id;
  if (gid === undefined) return undefined;
  const may = (file: string, bit: number): boolean => {
    const stats = statOf(file);
    if (stats === undefined) return true;
    const shift = stats.uid === user.id ? 6 : stats.gid === gid ? 3 : 0;
    return ((stats.mode >> shift) & bit) !== 0;
  };
  const WRITE = 2;
  const SEARCH = 1;
  if (!may(path, WRITE)) return path;
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    if (!may(folder, SEARCH)) return folder;
    if (folder === root || folder === dirname(folder)) return undefined;
  }
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function identityOf(
  global: readonly Statement[],
  byName: string,
  byNumber: string,
  database: string,
): Identity | undefined {
  const statement = global.findLast(({ words }) => words[0] === byName || words[0] === byNumber);
  const name = statement?.words[1];
  if (statement === undefined || name === undefined) return undefined;
  if (statement.words[0] === byNumber) return { name, id: Number(name) };
  const { stdout, status } = spawnSync('getent', [database, name], { encoding: 'utf8' });
  const id = status === 0 ? Number(stdout.split(':')[2]) : undefined;
  return { name, id };
}
