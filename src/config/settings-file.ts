import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { ConfigError, type Env } from '../settings.ts';

/**
 * All settings: flags before the environment before the file that `HAPROXY_OTEL_CONFIG` names. The file is
 * read again each time, as a running process has no other way to new settings.
 *
 * @param flags as the variables they stand for
 * @throws ConfigError when the file cannot be read or has a line that is no setting
 */
export function gatherSettings(environment: Env, flags: Env): Env {
  const given = Object.fromEntries(
    Object.entries({ ...environment, ...flags }).filter(([, value]) => value?.trim()),
  );
  const path = given.HAPROXY_OTEL_CONFIG?.trim();
  return path === undefined ? given : { ...readSettingsFile(path), ...given };
}

/** `NAME=value` a line, as in an .env file: quotes around the value, and comments from # on. */
function readSettingsFile(path: string): Env {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`the file of HAPROXY_OTEL_CONFIG cannot be read: ${reason}`);
  }
  text.split('\n').forEach((line, index) => {
    if (/^\s*(#|$)/.test(line) || /^\s*(HAPROXY_)?OTEL_[A-Z_]+\s*=/.test(line)) return;
    // What stands there is not repeated: it may be part of a secret.
    throw new ConfigError(
      `${path}, line ${index + 1}: OTEL_…=value or HAPROXY_OTEL_…=value is accepted`,
    );
  });
  return parseEnv(text);
}
