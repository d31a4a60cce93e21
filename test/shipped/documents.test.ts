import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parseDocument } from 'yaml';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { VERSION } from '../../src/version.ts';
import { HAPROXY } from '../end-to-end/chain.ts';
import { blocks, DOCUMENTS, document } from './readme.ts';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-documents-'));
afterAll(() => rmSync(folder, { recursive: true }));

const CHANGELOG = readFileSync(join(PACKAGE_ROOT, 'CHANGELOG.md'), 'utf8');

/** Without what only looks like markup. */
const prose = (text: string): string =>
  text.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, 'x');

/** What a renderer makes of a heading, for links to it. */
function anchors(text: string): Set<string> {
  const headings = [...text.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/^#+ (.*)$/gm)];
  return new Set(
    headings.map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

type Link = readonly [from: string, to: string];

const links: readonly Link[] = [...DOCUMENTS, ['CHANGELOG.md', CHANGELOG] as const].flatMap(
  ([path, text]) =>
    [...prose(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, to = '']): Link => [path, to]),
);
const internal = links.filter(([, to]) => !/^[a-z]+:/.test(to));

test('there are links', () => expect(internal.length).toBeGreaterThan(60));

test.each(internal)('%s: the link to %s leads somewhere', (from, to) => {
  const [file = '', anchor] = to.split('#');
  const path = file === '' ? from : normalize(join(dirname(from), file));
  expect(existsSync(join(PACKAGE_ROOT, path))).toBe(true);
  if (anchor !== undefined) expect([...anchors(document(path))]).toContain(anchor);
});

test('each page can be reached from the index of the pages', () => {
  const linked = internal
    .filter(([from]) => from === 'docs/README.md')
    .map(([, to]) => normalize(join('docs', to)));
  const pages = [...DOCUMENTS.keys()].filter((path) => path !== 'docs/README.md');
  expect(pages.filter((path) => !linked.includes(path))).toEqual([]);
});

test('the README is read in one go', () => {
  expect(document('README.md').split('\n').length).toBeLessThan(300);
});

test('each section that has measured figures has their date', () => {
  const figure = /\d (us|ms|MiB|requests\/s|instructions)\b/;
  const measured = /\b(medians?|percentile|instructions|measured|lost|loses?)\b/;
  const date = /20\d\d-\d\d|November 20\d\d/;
  const undated = [...DOCUMENTS].flatMap(([path, text]) =>
    text
      .split(/^## /m)
      .filter((part) => figure.test(part) && measured.test(part) && !date.test(part))
      .map((part) => `${path}: ${part.split('\n', 1)}`),
  );
  expect(undated).toEqual([]);
});

test('the picture of the README is there, and small', () => {
  const size = statSync(join(PACKAGE_ROOT, 'docs/page.png')).size;
  expect(size).toBeGreaterThan(10_000);
  expect(size).toBeLessThan(150_000);
});

test('the newest version in the changelog is that of the package', () => {
  const [, newest] = /^## (\S+)/m.exec(CHANGELOG) ?? [];
  expect(newest).toBe(VERSION);
  const lock = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package-lock.json'), 'utf8'));
  expect([lock.version, lock.packages[''].version]).toEqual([VERSION, VERSION]);
  const named = document('README.md').match(/haproxy-otel-spoa_\d[\d.]*\d_|\(\d+\.\d+\.\d+\)/g);
  expect(named).toEqual([`haproxy-otel-spoa_${VERSION}_`, `(${VERSION})`]);
});

describe('what is typed into a shell', () => {
  const { scripts } = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8'));
  /** Programs of the system, of which it is not ours to try what they do. */
  const SYSTEM = new Set([
    ...['dpkg', 'systemctl', 'echo', 'haproxy', 'install', 'openssl', 'docker', 'kubectl'],
  ]);
  const lines = [...DOCUMENTS].flatMap(([path, text]) =>
    blocks('sh', text)
      .join('')
      .replaceAll('\\\n', ' ')
      .split('\n')
      .map((line) => line.replace(/^((\w+)=\S+ )+/, '').trim())
      .filter((line) => line !== '' && !/^#|^[A-Z_]+=\S*$/.test(line))
      .map((line): readonly [string, string] => [path, line]),
  );

  test.each(lines)('%s: %s', (_path, line) => {
    const [program = '', ...args] = line.split(/\s+/);
    if (program === 'npm') {
      const [verb = '', name = ''] = args;
      if (verb === 'install') return;
      expect(Object.keys(scripts)).toContain(verb === 'run' ? name : verb);
    } else if (program === 'haproxy-otel-spoa') {
      const help = spawnSync(
        process.execPath,
        [join(PACKAGE_ROOT, 'dist/main.js'), args[0] ?? '', '--help'],
        { encoding: 'utf8' },
      );
      expect(help.status).toBe(0);
      for (const flag of args.filter((word) => word.startsWith('--'))) {
        expect(help.stdout).toContain(flag);
      }
    } else if (program === 'node') {
      expect(existsSync(join(PACKAGE_ROOT, args[0] ?? ''))).toBe(true);
    } else {
      expect([...SYSTEM]).toContain(program);
    }
  });

  test('every script and benchmark that a text names exists', () => {
    const all = [...DOCUMENTS.values()].join('\n');
    const named = [...all.matchAll(/npm run ([a-z:]+)/g)].map(([, name = '']) => name);
    expect(named).toContain('demo');
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
    const files = [
      ...all.matchAll(/(?<![\w./])((?:benchmarks|test|src|haproxy|spoe)\/[\w./-]+\.\w+)/g),
    ];
    const paths = files.map(([, file = '']) => file);
    expect(paths.length).toBeGreaterThan(20);
    expect(paths.filter((file) => !existsSync(join(PACKAGE_ROOT, file)))).toEqual([]);
  });
});

/** The example with lines of a block where they belong: in `global`, in the frontend, or as sections of their own. */
function exampleWith(block: string): string {
  const example = readFileSync(join(PACKAGE_ROOT, 'haproxy/haproxy.cfg'), 'utf8').replace(
    'config spoe/otel.conf',
    `config ${join(PACKAGE_ROOT, 'spoe/otel.conf')}`,
  );
  if (/^[a-z]/.test(block)) return `${example}\n${block}`;
  const isGlobal = /^ *setenv /m.test(block);
  return example.replace(
    isGlobal ? 'global\n' : /^frontend www .*\n/m,
    (line) => `${line}${block}`,
  );
}

describe('lines for HAProxy', () => {
  const map = join(folder, 'otel-ratios.map');
  writeFileSync(map, '/api 0.5\n');
  const all = [...DOCUMENTS].flatMap(([path, text]) =>
    blocks('haproxy', text).map((block): readonly [string, string] => [path, block]),
  );

  test.each(all)('of %s are accepted: %s', (_path, block) => {
    const file = join(folder, 'haproxy.cfg');
    writeFileSync(file, exampleWith(block).replaceAll('/etc/haproxy/otel-ratios.map', map));
    const { status, stdout, stderr } = spawnSync(HAPROXY, ['-c', '-f', file], { encoding: 'utf8' });
    expect([status, status === 0 ? '' : `${stdout}${stderr}`]).toEqual([0, '']);
  });
});

test.each(
  [...DOCUMENTS].flatMap(([path, text]) =>
    blocks('yaml', text).map((block): readonly [string, string] => [path, block]),
  ),
)('YAML of %s is such: %s', (_path, block) => {
  expect(parseDocument(block).errors).toEqual([]);
});

test('each fenced block has a language that somebody reads, or is a drawing', () => {
  const known = ['sh', 'text', 'yaml', 'haproxy'];
  const languages = [...DOCUMENTS].flatMap(([path, text]) =>
    [...text.matchAll(/^```(\w*)\n[\s\S]*?^```$/gm)].map(([, language]) => [path, language]),
  );
  const others = languages.filter(([, language]) => !known.includes(String(language)));
  expect(others).toEqual([
    ['README.md', ''],
    ['README.md', ''],
  ]);
});
