import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { type HaproxyVersion, parseVersion } from '../../src/haproxy/version.ts';
import {
  describeControllers,
  describeFrontend,
  describeHeaders,
} from '../../src/wiring/summary.ts';
import { readFiles, wire } from '../../src/wiring/wire.ts';
import { CASES, render } from './corpus.ts';

const root = mkdtempSync(join(tmpdir(), 'haproxy-otel-said-'));
afterAll(() => rmSync(root, { recursive: true }));

/** What each group of versions is represented by. */
const VERSIONS = [parseVersion('3.0.11'), parseVersion('3.2.26')].filter(
  (version) => version !== undefined,
);
const FEATURES = new Set(['OPENSSL', 'LUA', 'PCRE2', 'QUIC']);

type Report = { readonly frontends: Map<string, string>; readonly notes: readonly string[] };

function reportOf(folder: string, paths: readonly string[], version: HaproxyVersion): Report {
  const settings = join(folder, 'env');
  const env = Object.fromEntries(
    existsSync(settings)
      ? readFileSync(settings, 'utf8')
          .trim()
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])
      : [],
  );
  const files = readFiles(paths.map((path) => join(folder, path)));
  const reading = { env, version, features: FEATURES };
  const wired = wire(files, {}, {}, reading, folder);
  const lines = wired.plan.frontends.map((frontend) => describeFrontend(frontend, version));
  const split = lines.map((line): [string, string] => {
    const [, section = '', text = ''] = /^(\S+ \S+): (.*)$/.exec(line) ?? [];
    return [section, text];
  });
  const notes = [...describeHeaders(wired, files), ...describeControllers(files.clean)];
  return {
    frontends: new Map(split),
    notes: notes.map((note) => note.replaceAll(`${folder}/`, '')),
  };
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replace(/^traced, /, '');

async function partOf(name: string): Promise<string> {
  const folder = join(root, name);
  const { paths } = await render(name, folder);
  const [before, since] = VERSIONS.map((version) => reportOf(folder, paths, version));
  if (before === undefined || since === undefined) throw new Error('two versions are compared');
  const rows = [...before.frontends].map(([section, text]) => {
    const later = since.frontends.get(section) ?? '';
    return `| ${section} | ${cell(text)} | ${later === text ? 'the same' : cell(later)} |`;
  });
  expect(since.notes).toEqual(before.notes);
  return [
    `## ${name}`,
    '',
    '| Section | HAProxy before 3.1 | from 3.1 on |',
    '|---|---|---|',
    ...rows,
    ...(since.notes.length === 0 ? [] : ['', ...since.notes.map((note) => `- ${note}`)]),
    '',
  ].join('\n');
}

const HEAD = `# What \`add\` says

What \`haproxy-otel-spoa add\` says of each configuration in [test/corpus](../test/corpus/README.md): whose context is
continued, and what is not seen of a request, because the configuration has no log line that could have it. The request
itself is a hop in each case where it is traced, and what its own loggers get stays as it is.

Of no HAProxy, whatever its configuration, is seen:

- what is in flight when it is ended by SIGTERM: the signal ends its process at once, which writes no log line of any kind
  (\`systemctl reload\` and SIGUSR1 let requests end, and these are hops);
- that a client left while a server works, before the server answers or its timeout is over: without
  \`option abortonclose\`, which is the default from HAProxy 3.3 on, HAProxy itself does not notice before that. The hop
  comes then, as the line in your log does.

This page is written by a test: \`npm run vitest -- test/wiring/what-add-says.test.ts -u\`.
`;

test('the page has what add prints for each configuration', async () => {
  const parts: string[] = [];
  for (const name of CASES) parts.push(await partOf(name));
  await expect([HEAD, ...parts].join('\n')).toMatchFileSnapshot('../../docs/what-add-says.md');
});
