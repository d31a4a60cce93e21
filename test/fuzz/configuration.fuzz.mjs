// A haproxy.cfg: it is read whatever it holds, and each line of it belongs to one section at most.
import { readdirSync, readFileSync } from 'node:fs';
import { parseConfiguration } from '../../dist/haproxy/configuration.js';
import { parseVersion } from '../../dist/haproxy/version.js';
import { UsageError } from '../../dist/settings.js';
import { check, target } from './checks.mjs';

const VERSIONS = ['2.6.12', '3.0.11', '3.2.26', '3.4.7'].map(parseVersion);

/** @returns what a configuration is read with, by a number */
export function readingOf(choice) {
  return { env: {}, version: VERSIONS[choice % VERSIONS.length], features: undefined };
}

const corpus = new URL('../corpus/', import.meta.url);
/** A byte that chooses, and a configuration. */
export const seeds = readdirSync(corpus, { recursive: true })
  .filter((file) => file.endsWith('.cfg'))
  .map((file, index) => Buffer.concat([Buffer.of(index), readFileSync(new URL(file, corpus))]));

export const fuzz = target((data) => {
  const text = data.toString('latin1', 1);
  const { sections } = parseConfiguration(
    new Map([['haproxy.cfg', text]]),
    readingOf((data[0] ?? 0) >> 3),
  );
  const lines = sections.flatMap(({ head, statements }) =>
    [head, ...statements].map(({ line }) => line),
  );
  check(
    lines.every((line, index) => index === 0 || line > (lines[index - 1] ?? 0)),
    'lines out of their order',
  );
}, UsageError);
