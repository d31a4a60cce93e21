import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Env, UsageError } from '../settings.ts';
import { Environment } from './environment.ts';
import { findProxies, type ProxySection } from './proxies.ts';
import { cutSections, type Section } from './sections.ts';
import { type Doubt, type Reading, readStatements, type Statement } from './statements.ts';
import type { HaproxyVersion } from './version.ts';

/** A configuration as HAProxy reads it, as lines and words: what the words mean is not interpreted. */
export type Configuration = {
  readonly files: readonly string[];
  /** By file. */
  readonly texts: ReadonlyMap<string, string>;
  readonly sections: readonly Section[];
  /** Of all `global` sections. */
  readonly global: readonly Statement[];
  readonly proxies: readonly ProxySection[];
  readonly doubts: readonly Doubt[];
  /** The variables as they are after the last line. */
  readonly environment: Environment;
};

/** What a configuration is read for. */
export type ReadingOptions = {
  readonly env: Env;
  readonly version: HaproxyVersion | undefined;
  /** Names with a + in `haproxy -vv`; undefined where that is not known. */
  readonly features: ReadonlySet<string> | undefined;
};

/**
 * The texts of files and directories by file, in the order in which `haproxy -f` reads them: of a directory the files
 * that end in `.cfg`, in the order of their names.
 *
 * @param encoding latin1 preserves each byte, whatever its encoding
 * @throws UsageError for what cannot be read, or a directory without such a file
 */
export function readTexts(
  paths: readonly string[],
  encoding: 'utf8' | 'latin1' = 'utf8',
): Map<string, string> {
  return new Map(paths.flatMap(expand).map((file) => [file, readText(file, encoding)]));
}

/** What the texts of its files, in order, make of a configuration. */
export function parseConfiguration(
  texts: ReadonlyMap<string, string>,
  options: ReadingOptions,
): Configuration {
  const { env, version, features } = options;
  const environment = new Environment(env, version);
  const reading: Reading = { environment, facts: { version, features }, doubts: [] };
  const sections = [...texts].flatMap(([file, text]) =>
    cutSections(readStatements(text, file, reading)),
  );
  return {
    files: [...texts.keys()],
    texts,
    sections,
    global: sections.flatMap(({ kind, statements }) => (kind === 'global' ? statements : [])),
    proxies: findProxies(sections),
    doubts: reading.doubts,
    environment,
  };
}

function expand(path: string): string[] {
  if (!statOf(path).isDirectory()) return [path];
  const names = readdirSync(path)
    .filter((name) => name.endsWith('.cfg') && !name.startsWith('.'))
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  if (names.length === 0) throw new UsageError(`${path} has no file that ends in .cfg`);
  return names.map((name) => join(path, name));
}

function statOf(path: string): ReturnType<typeof statSync> & object {
  try {
    return statSync(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

function readText(path: string, encoding: 'utf8' | 'latin1'): string {
  try {
    return readFileSync(path, encoding);
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): UsageError {
  const { code } = error as NodeJS.ErrnoException;
  const reason =
    code === 'ENOENT' ? 'no such file' : code === 'EACCES' ? 'this user may not' : String(code);
  return new UsageError(`cannot read ${path}: ${reason}`);
}
