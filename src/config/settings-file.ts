import { accessSync, constants, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Env, file, notAccepted, noWarn, UsageError, type Warn } from '../settings.ts';
import { withConfigFile } from './config-file.ts';
import { nearestSetting, useOf } from './names.ts';

/**
 * All settings: flags before the environment before the file that `--config` or `HAPROXY_OTEL_CONFIG` names; where
 * `OTEL_CONFIG_FILE` is among them, that file in place of OpenTelemetry's own. Files are read again each time, as a running
 * process has no other way to new settings.
 *
 * @param flags as the variables they stand for
 * @param warn called for names that mean nothing to the agent
 * @throws UsageError when the file cannot be read or has a line that is no setting, or a name is nearly the agent's own
 */
export function gatherSettings(environment: Env, flags: Env, warn: Warn = noWarn): Env {
  checkEnvironment(environment, warn);
  const explicit = Object.fromEntries(
    Object.entries({ ...environment, ...flags }).filter(([, value]) => value?.trim()),
  );
  const path = explicit.HAPROXY_OTEL_CONFIG?.trim();
  const named = flags.HAPROXY_OTEL_CONFIG?.trim() ? '--config' : 'HAPROXY_OTEL_CONFIG';
  const settings =
    path === undefined ? explicit : { ...readSettingsFile(path, named, warn), ...explicit };
  const configFile = settings.OTEL_CONFIG_FILE?.trim();
  return configFile ? withConfigFile(configFile, settings, flags, warn) : settings;
}

/** The settings file of the installed service: the unit names it, for the service alone. */
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
 * @throws UsageError as `gatherSettings` does
 */
export function serviceSettings(
  environment: Env,
  named: string | undefined,
  installed = INSTALLED,
): ServiceSettings {
  const asked = (named ?? environment.HAPROXY_OTEL_CONFIG)?.trim();
  const file = asked || (isReadable(installed) ? installed : undefined);
  const settings = file === undefined ? environment : { ...environment, HAPROXY_OTEL_CONFIG: file };
  // systemd passes it to the service from here.
  const adminToken = join(dirname(installed), 'credentials/admin_token');
  return {
    env: gatherSettings(settings, named === undefined ? {} : { HAPROXY_OTEL_CONFIG: named }),
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

/**
 * What stands in a file of settings, or refuses it with the line and what is accepted there.
 *
 * @param named the option or variable that names the file
 */
function readSettingsFile(path: string, named: string, warn: Warn): Env {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw notAccepted(named, path, file.accepts);
  }
  const settings: Record<string, string> = {};
  text.split('\n').forEach((line, index) => {
    if (/^\s*([#;]|$)/.test(line)) return;
    const where = `${path}, line ${index + 1}`;
    const [, name, written = ''] = /^\s*((?:HAPROXY_)?OTEL_[A-Z0-9_]+)\s*=(.*)$/s.exec(line) ?? [];
    // What stands there is not repeated: it may be part of a secret.
    if (name === undefined) {
      throw new UsageError(`${where}: OTEL_…=value or HAPROXY_OTEL_…=value is accepted`);
    }
    const use = useOf(name);
    if (use === 'unknown') throw unknownSetting(where, name);
    if (use === 'unused') warn(name, `${where}: is not used: the agent does not do what it is for`);
    settings[name] = readValue(written.trim(), `${where}, ${name}`);
  });
  return settings;
}

/** A value alone or in quotes, and a comment behind it, if there is white space on both sides of its #. */
function readValue(written: string, where: string): string {
  const quote = /^["'`]/.exec(written)?.[0];
  if (quote === undefined) {
    const [value = ''] = written.split(/\s#(?=\s|$)/);
    if (!/\s#/.test(value)) return value.trim();
    throw new UsageError(
      `${where}: a # behind white space begins a comment, if there is white space behind it too; put the value in quotes to have the # in it`,
    );
  }
  const end = written.indexOf(quote, 1);
  if (end === -1 || !/^\s*(#.*)?$/s.test(written.slice(end + 1))) {
    throw new UsageError(
      `${where}: ${quote} is accepted around the whole value, with nothing but a comment behind it`,
    );
  }
  return written.slice(1, end);
}

function unknownSetting(where: string, name: string): UsageError {
  // A third of the letters may be wrong: beyond that it is not the same name.
  const nearest = nearestSetting(name, Math.floor(name.length / 3));
  const hint = nearest === undefined ? '' : `, ${nearest} is`;
  return new UsageError(`${where}: ${name} is no setting of the agent${hint}`);
}

/** Up to as many wrong letters a name is taken for a misspelt one of ours. */
const MISSPELT = 2;

/**
 * The environment is shared: with it come settings of OpenTelemetry's for other programs and languages. Names that
 * begin with `HAPROXY_` are the agent's own.
 */
function checkEnvironment(environment: Env, warn: Warn): void {
  for (const name of Object.keys(environment)) {
    if (!/^(HAPROXY_)?OTEL_/.test(name) || useOf(name) !== 'unknown') continue;
    if (name.startsWith('HAPROXY_')) throw unknownSetting('the environment', name);
    const nearest = nearestSetting(name, MISSPELT);
    if (nearest !== undefined) warn(name, `is no setting of the agent, ${nearest} is`);
  }
}
