import { readFileSync } from 'node:fs';

/** Where the page's files lie, beside this one both in `src` and in `dist`. */
const FOLDER = new URL('./page/', import.meta.url);

const TYPES = { html: 'text/html', css: 'text/css', js: 'text/javascript', svg: 'image/svg+xml' };

export type PageFile = { readonly contentType: string; readonly body: Buffer };

/** By path: no other file is ever read, and these only once. @throws the system's error when one is missing */
export function readPageFiles(): ReadonlyMap<string, PageFile> {
  const files = {
    '/': 'index.html',
    '/theme.css': 'theme.css',
    '/page.css': 'page.css',
    '/hops.css': 'hops.css',
    '/waterfall.css': 'waterfall.css',
    '/narrow.css': 'narrow.css',
    '/page.js': 'page.js',
    '/charts.js': 'charts.js',
    '/hops.js': 'hops.js',
    '/details.js': 'details.js',
    '/waterfall.js': 'waterfall.js',
    '/state.js': 'state.js',
    '/text.js': 'text.js',
    '/icon.svg': 'icon.svg',
  };
  return new Map(
    Object.entries(files).map(([path, name]) => {
      const kind = name.slice(name.lastIndexOf('.') + 1) as keyof typeof TYPES;
      const contentType = `${TYPES[kind]}; charset=utf-8`;
      return [path, { contentType, body: readFileSync(new URL(name, FOLDER)) }];
    }),
  );
}
