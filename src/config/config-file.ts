import { type Env, UsageError, type Warn } from '../settings.ts';
import { MODEL, resource } from './config-model.ts';
import { entriesOf, FileSettings, mapping, type Rule, refuse, textOf } from './config-rules.ts';
import { readYaml } from './yaml-file.ts';

/** The newest minor version of the format, whose major version is 1, that is known here. */
const NEWEST_MINOR = 1;

/** Where the settings of an `Env` came from, for those of a file. */
const SOURCES = new WeakMap<Env, ReadonlyMap<string, string>>();

/**
 * The settings of OpenTelemetry's declarative configuration in place of all other `OTEL_…`; those of the agent alone,
 * `HAPROXY_OTEL_…`, stay.
 *
 * @param path of the file
 * @param env settings without it, where `${NAME}` in the file comes from, too
 * @param flags of the command line, which override any file
 * @throws UsageError that names the key that cannot be used
 */
export function withConfigFile(path: string, env: Env, flags: Env, warn: Warn): Env {
  const used = new Set(['OTEL_CONFIG_FILE', ...Object.keys(flags)]);
  const variable = (name: string): string | undefined => {
    used.add(name);
    return env[name]?.trim();
  };
  const settings = readConfigFile(path, variable, warn);
  const unused = Object.keys(env).filter((name) => name.startsWith('OTEL_') && !used.has(name));
  if (unused.length > 0) {
    warn('OTEL_CONFIG_FILE', `${path} is in the place of ${unused.join(', ')}`);
  }
  const others = Object.entries(env).filter(([name]) => !name.startsWith('OTEL_'));
  const merged = {
    ...Object.fromEntries(others),
    OTEL_CONFIG_FILE: path,
    ...settings.values,
    ...flags,
  };
  SOURCES.set(merged, settings.sources);
  return merged;
}

/** `message` in words of the file that its settings came from, where they came from one. */
function inWordsOfFile(env: Env, message: string): string {
  const sources = SOURCES.get(env);
  if (sources === undefined) return message;
  return message.replace(/\bOTEL_[A-Z0-9_]+\b/g, (name) => sources.get(name) ?? name);
}

function readConfigFile(
  path: string,
  variable: (name: string) => string | undefined,
  warn: Warn,
): FileSettings {
  const file = readYaml(path, variable);
  const settings = new FileSettings();
  const keys = new Set(entriesOf(file).map(([name]) => name));
  // What is not in the file is not there at all: so the specification has it.
  for (const signal of ['TRACES', 'METRICS', 'LOGS']) {
    settings.values[`OTEL_${signal}_EXPORTER`] = 'none';
  }
  settings.values.OTEL_PROPAGATORS = 'none';
  if (!keys.has('propagator')) {
    warn('OTEL_CONFIG_FILE', `${path} has no propagator: no trace of a caller is continued`);
  }
  const root = { ...MODEL, file_format: fileFormat(warn), resource: resource(variable) };
  mapping(root, ['file_format'])(file, settings);
  return settings;
}

function fileFormat(warn: Warn): Rule {
  return (value) => {
    const [, minor] = /^1\.(\d+)(?:-.*)?$/.exec(textOf(value) ?? '') ?? [];
    if (minor === undefined) throw refuse(value, '1.0, or another version 1.x, is accepted');
    if (Number(minor) > NEWEST_MINOR) {
      warn('OTEL_CONFIG_FILE', `${value.where}: file_format is newer than 1.${NEWEST_MINOR}`);
    }
  };
}

/** Runs `load`, whose errors and warnings are in words of the file that settings of `env` came from. */
export function loadInWordsOfFile<T>(env: Env, warn: Warn, load: (warn: Warn) => T): T {
  try {
    return load((setting, reason) => warn(inWordsOfFile(env, setting), inWordsOfFile(env, reason)));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(inWordsOfFile(env, error.message));
  }
}
