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

export type ReadmeStep = {
  /** Lines for a shell. */
  readonly command: string;
  /** What they print, as it is shown: empty where nothing is. */
  readonly output: string;
};

/** The commands of the section with this heading, each with the output that stands behind it. */
export function steps(heading: string): ReadmeStep[] {
  const section = README.split(`\n## ${heading}\n`)[1]?.split(/^## /m)[0] ?? '';
  const blocks = section.matchAll(/^```sh\n(.*?)^```$(?:\n+```text\n(.*?)^```$)?/gms);
  return [...blocks].map(([, command = '', output = '']) => ({ command, output }));
}
