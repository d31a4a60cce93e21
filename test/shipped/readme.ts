import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';

const PAGES = readdirSync(join(PACKAGE_ROOT, 'docs')).filter((name) => name.endsWith('.md'));

/** What people read, by path from the root. */
export const DOCUMENTS: ReadonlyMap<string, string> = new Map(
  [
    ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md'],
    ...PAGES.sort().map((name) => `docs/${name}`),
  ].map((path) => [path, readFileSync(join(PACKAGE_ROOT, path), 'utf8')]),
);

/** All of it. */
export const DOCUMENTATION = [...DOCUMENTS.values()].join('\n');

/** @throws where there is none */
export function document(path: string): string {
  const text = DOCUMENTS.get(path);
  if (text === undefined) throw new Error(`there is no ${path}`);
  return text;
}

/** Fenced blocks of a language, in order. */
export function blocks(language: string, text: string = DOCUMENTATION): string[] {
  return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    .filter(([, name]) => name === language)
    .map(([, , body = '']) => body);
}

/** The one that has these words in it. */
export function blockWith(language: string, words: string): string {
  const found = blocks(language).filter((body) => body.includes(words));
  if (found.length !== 1) throw new Error(`${found.length} blocks of ${language} have "${words}"`);
  return found[0] ?? '';
}

/** What stands below the heading `## …` with these words, which one document has. */
export function section(heading: string): string {
  const found = [...DOCUMENTS.values()].flatMap((text) => {
    const [, below] = text.split(`\n## ${heading}\n`);
    return below === undefined ? [] : [below.split(/^## /m)[0] ?? ''];
  });
  if (found.length !== 1) throw new Error(`${found.length} sections are called "${heading}"`);
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
  const blocks = section(heading).matchAll(/^```sh\n(.*?)^```$(?:\n+```text\n(.*?)^```$)?/gms);
  return [...blocks].map(([, command = '', output = '']) => ({ command, output }));
}
