import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../../src/demo/haproxy.ts';

/** Where packages are built; for whoever builds to remove. */
export const PACKAGES = join(PACKAGE_ROOT, '.cache/packages');

/** Without compression, which costs more than all the rest and changes nothing inside. Returns the path. */
export function buildPackage(version: string): string {
  const script = join(PACKAGE_ROOT, 'haproxy/debian/build.mjs');
  const args = [script, '--version', version, '--output', PACKAGES, '--uncompressed'];
  return execFileSync(process.execPath, args, { encoding: 'utf8' }).trim();
}

export function architecture(): string {
  return execFileSync('dpkg', ['--print-architecture'], { encoding: 'utf8' }).trim();
}
