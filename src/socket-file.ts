import { existsSync, lstatSync, renameSync, rmSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { errorText } from './error-text.ts';

/** Bytes of a path, at most: `sun_path` ends with a zero, and the name that is bound first has one more. */
const MAX_PATH = 106;

/**
 * Has a server listen on a unix socket; one that nobody listens on any more is replaced.
 *
 * Node removes the file that it bound when the socket is closed, and would remove it from a process that has the same
 * socket: so it binds another name.
 */
export async function openPath(path: string, open: (path: string) => Promise<void>): Promise<void> {
  const length = Buffer.byteLength(path);
  if (length > MAX_PATH) {
    throw new Error(`its path has ${length} bytes: at most ${MAX_PATH} are accepted`);
  }
  await removeStaleSocket(path);
  if (existsSync(path)) return open(path);
  const bound = `${path}~`;
  rmSync(bound, { force: true });
  await open(bound);
  renameSync(bound, path);
}

/** Why there cannot be a socket at `path`, and where one can. */
export function pathFault(path: string, error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  const folder = dirname(path);
  switch (code) {
    case 'ENOTDIR':
    // So Node has it, too, where there is no folder.
    case 'EACCES':
    case 'EPERM':
    case 'EROFS': {
      const fault = existsSync(folder)
        ? `this user cannot write to ${folder} (${code})`
        : `there is no folder ${folder} that this user can see`;
      return `${fault}: a path in a folder that this user can write to is accepted`;
    }
    case 'EADDRINUSE':
      return `another process listens there, or it is a file that is no socket (${code}): a path that is free is accepted`;
    default:
      return errorText(error);
  }
}

/** Removes the socket file of a process that is gone; one that still answers is left alone. */
async function removeStaleSocket(path: string): Promise<void> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return;
  const answers = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED'));
  });
  if (!answers) unlinkSync(path);
}
