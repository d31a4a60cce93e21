import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../src/demo/haproxy.ts';

export const README = readFileSync(join(PACKAGE_ROOT, 'README.md'), 'utf8');

/** Its fenced blocks of a language, in order. */
export function blocks(language: string): string[] {
  return [...README.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    .filter(([, name]) => name === language)
    .map(([, , body = '']) => body);
}

/** The one that has these words in it. */
export function blockWith(language: string, words: string): string {
  const found = blocks(language).filter((body) => body.includes(words));
  if (found.length !== 1) throw new Error(`${found.length} blocks of ${language} have "${words}"`);
  return found[0] ?? '';
}
