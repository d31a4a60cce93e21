import { accessSync, constants, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
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

/** Where the package keeps the settings of the service: the unit names it for the service alone. */
const INSTALLED = '/etc/haproxy-otel-spoa/settings.env';

/** The agent's settings as somebody else than the agent sees them, and the file they were read from. */
export type ServiceSettings = {
  readonly env: Env;
  readonly file: string | undefined;
  /** With the token of the service's admin listener, where the file is that of the service and this user is root. */
  readonly adminTokenFile: string | undefined;
};

/**
 * Settings of the agent on this host: those of the file that is named, or else of the installed one where this user can
 * read it.
 *
 * @param named the file, before that of the environment
 * @throws ConfigError as `gatherSettings` does
 */
export function serviceSettings(
  environment: Env,
  named: string | undefined,
  installed = INSTALLED,
): ServiceSettings {
  const asked = (named ?? environment.HAPROXY_OTEL_CONFIG)?.trim();
  const file = asked || (isReadable(installed) ? installed : undefined);
  const flags = file === undefined ? {} : { HAPROXY_OTEL_CONFIG: file };
  // From here systemd hands it to the service.
  const adminToken = join(dirname(installed), 'credentials/admin_token');
  return {
    env: gatherSettings(environment, flags),
    file,
    adminTokenFile: file === installed && isReadable(adminToken) ? adminToken : undefined,
  };
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
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
