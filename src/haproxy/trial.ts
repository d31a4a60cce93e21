import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Env } from '../settings.ts';
import {
  type Candidate,
  type CheckResult,
  checkWith,
  type Diagnostic,
  type Program,
} from './program.ts';

/** A configuration that is not written yet. */
export type Unwritten = Candidate & {
  /** Where the engine is to lie, and what it is to be; undefined where it is not written, either. */
  readonly engine: { readonly path: string; readonly text: string } | undefined;
};

const ENGINE = /^(\s*filter spoe engine otel config )('[^']*'|\S+)/gm;

/** Runs `haproxy -c` of a copy, in which relative paths lead to where they lead in place. Messages name the original. */
export function tryOut(
  candidate: Unwritten,
  program: Program,
  env: Env,
  directory: string,
): CheckResult {
  const root = mkdtempSync(join(tmpdir(), 'haproxy-otel-'));
  try {
    const copyOf = (path: string): string => join(root, resolve(directory, path));
    const files = [...candidate.texts.keys()];
    for (const folder of new Set(files.map((file) => dirname(resolve(directory, file))))) {
      mkdirSync(join(root, folder), { recursive: true });
    }
    for (const [file, text] of candidate.texts) {
      const { engine } = candidate;
      const moved =
        engine === undefined
          ? text
          : text.replace(ENGINE, (_line, filter) => `${filter}'${copyOf(engine.path)}'`);
      writeFileSync(copyOf(file), moved, 'latin1');
    }
    if (candidate.engine) {
      const path = copyOf(candidate.engine.path);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, candidate.engine.text);
    }
    if ([...candidate.texts.values()].some((text) => /^\s*default-path\s/m.test(text))) {
      for (const file of files) {
        const folder = dirname(resolve(directory, file));
        linkOthers(folder, root);
        linkOthers(dirname(folder), root);
      }
    }
    const copies = { paths: candidate.paths.map(copyOf), texts: candidate.texts };
    const result = checkWith(program, copies, env, directory);
    const original = new Map(files.map((file) => [copyOf(file), file]));
    return {
      ...result,
      messages: result.messages.map((message) => ({
        ...message,
        file: message.file && (original.get(message.file) ?? message.file),
        text: message.text.replaceAll(root, ''),
      })),
    };
  } finally {
    rmSync(root, { recursive: true });
  }
}

/** With `default-path` files are opened beside the configuration, or above it. */
function linkOthers(folder: string, root: string): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const copy = join(root, path);
    if (lstatSync(copy, { throwIfNoEntry: false }) === undefined) symlinkSync(path, copy);
  }
}

/** Messages of `after` that are not in `before`, whatever their line. */
export function newMessages(
  before: readonly Diagnostic[],
  after: readonly Diagnostic[],
): Diagnostic[] {
  // A warning about the order of rules is the same one whichever rule it names.
  const plain = ({ level, text }: Diagnostic): string =>
    `${level} ${text.replace(/\d+/g, '#').replace(/rule placed after .* rule/, '')}`;
  const known = before.map(plain);
  return after.filter((message) => {
    const at = known.indexOf(plain(message));
    if (at !== -1) known.splice(at, 1);
    return at === -1;
  });
}

/** So many messages are quoted: what is wrong in one line may be the cause of many. */
const QUOTED = 3;

/** @param texts whose lines are quoted, too */
function quote(messages: readonly Diagnostic[], texts?: ReadonlyMap<string, string>): string {
  const quoted = messages.slice(0, QUOTED).map(({ file, line = 0, text }) => {
    if (file === undefined) return text;
    const source = texts?.get(file)?.split('\n')[line - 1];
    return `${file}:${line}: ${text}${source ? `: "${source.trim()}"` : ''}`;
  });
  const more = messages.length - quoted.length;
  return [...quoted, ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
}

/** Why HAProxy does not accept it. */
export function describeRefusal({ messages }: CheckResult): string {
  const alerts = messages.filter(({ level }) => level === 'alert');
  return alerts.length === 0 ? 'it says no reason' : quote(alerts);
}

/** @returns what HAProxy refuses of `before`, or of `after` and not of `before`: warnings count; undefined is nothing */
export function compare(
  before: Unwritten,
  after: Unwritten,
  program: Program,
  env: Env,
  directory: string,
): string | undefined {
  const old = tryOut(before, program, env, directory);
  if (!old.accepted) {
    return `HAProxy refuses the configuration as it is: ${describeRefusal(old)}`;
  }
  const now = tryOut(after, program, env, directory);
  const added = newMessages(old.messages, now.messages);
  if (now.accepted && added.length === 0) return undefined;
  const alerts = added.filter(({ level }) => level === 'alert');
  const causes = alerts.length === 0 ? added : alerts;
  const what = `HAProxy ${now.accepted ? 'warns of' : 'refuses'} the result`;
  return causes.length === 0
    ? `${what}, and says no reason`
    : `${what}: ${quote(causes, after.texts)}`;
}
