import { readFileSync } from 'node:fs';
import { SHIPPED_ENGINE } from '../haproxy/shipped.ts';
import { readIfThere } from '../replace-files.ts';
import { UsageError } from '../settings.ts';

const FIRST_LINE = '# Written by "haproxy-otel-spoa add", which replaces it; "remove" deletes it.';

/** The SPOE engine, as it lies beside the user's configuration: HAProxy starts with it also without this package. */
export function engineText(): string {
  return `${FIRST_LINE}\n${readFileSync(SHIPPED_ENGINE, 'utf8')}`;
}

/** Whether a file is this engine, whoever put it there. */
export function isEngine(text: string): boolean {
  return `${FIRST_LINE}\n${text.replace(`${FIRST_LINE}\n`, '')}` === engineText();
}

export function isOurs(text: string): boolean {
  return text.startsWith(FIRST_LINE);
}

/** The shell command that puts the engine where `--engine` says. */
export function installCommand(path: string): string {
  return `install -D -m 644 ${SHIPPED_ENGINE} ${path}`;
}

/** Whether `--engine` is on this host: a configuration may be made elsewhere than it runs. */
export function hasEngine(path: string): boolean {
  return readIfThere(path) !== undefined;
}

/** @throws UsageError for a file of this name that somebody else wrote */
export function engineThere(path: string): Buffer | undefined {
  const there = readIfThere(path);
  if (there === undefined || isOurs(there.toString('utf8'))) return there;
  throw new UsageError(`${path} is there already, and was not written by "add"`);
}
