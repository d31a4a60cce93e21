import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Env, UsageError } from '../settings.ts';

/** The path of a file that systemd put there for this service alone, as `LoadCredential=` has it. */
export function credential(env: Env, name: string): string | undefined {
  const folder = env.CREDENTIALS_DIRECTORY;
  if (!folder) return undefined;
  const path = join(folder, name);
  return existsSync(path) ? path : undefined;
}

/**
 * The token that a file has, without the white space around it.
 *
 * @param where what messages call the file
 * @param least how many characters it has to have
 * @throws UsageError that never contains the token
 */
export function readToken(path: string, where: string, least = 1): string {
  const token = readFileSync(path, 'utf8').trim();
  if (token.length >= least && /^[\x21-\x7e]+$/.test(token)) return token;
  const length = least > 1 ? `${least} or more ` : '';
  throw new UsageError(`${where}: one token of ${length}visible characters is accepted`);
}
