import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { ConfigError, type Env } from '../settings.ts';
import { type HaproxyVersion, parseVersion } from './version.ts';

/** A HAProxy that can be run here. */
export type Program = {
  readonly path: string;
  readonly version: HaproxyVersion;
  /** Names with a + in `haproxy -vv`. */
  readonly features: ReadonlySet<string>;
};

/** What `haproxy -c` says of a configuration. */
export type Opinion = {
  readonly accepted: boolean;
  readonly messages: readonly Message[];
};

export type Message = {
  readonly level: 'alert' | 'warning';
  /** Where it is said of a line. */
  readonly file: string | undefined;
  readonly line: number | undefined;
  readonly text: string;
};

/** It is not in the path of users who are not root. */
const ALSO = '/usr/sbin:/usr/local/sbin';

/** A check reads certificates and maps, and looks up names. Milliseconds. */
const PATIENCE = 60_000;

/**
 * @param name of the program, or its path
 * @returns undefined where there is none that says its version
 */
export function findProgram(name: string, env: Env): Program | undefined {
  const path = name.includes('/') ? name : inPath(name, `${env.PATH ?? ''}:${ALSO}`);
  if (path === undefined) return undefined;
  const { stdout, status } = spawnSync(path, ['-vv'], { encoding: 'utf8', timeout: PATIENCE });
  const version = parseVersion(/version (\S+)/.exec(stdout ?? '')?.[1] ?? '');
  if (status !== 0 || version === undefined) return undefined;
  const listed = /^Feature list : (.*)$/m.exec(stdout)?.[1] ?? '';
  const features = [...listed.matchAll(/\+(\S+)/g)].map(([, feature = '']) => feature);
  return { path, version, features: new Set(features) };
}

/** @throws ConfigError where there is none: `name` is what `--haproxy` says */
export function programOf(name: string | undefined, env: Env): Program {
  const program = findProgram(name ?? 'haproxy', env);
  if (program !== undefined) return program;
  throw new ConfigError(
    name === undefined
      ? 'no HAProxy is installed here: --haproxy PROGRAM is needed'
      : `--haproxy is "${name}": a HAProxy that can be run is accepted`,
  );
}

function inPath(name: string, path: string): string | undefined {
  return path
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

const MESSAGE = /^\[(ALERT|WARNING)\]\s*(?:\(\d+\)|[\d/]+ \(\d+\))?\s*:\s*(?:config\s*:\s*)?(.*)$/;
const POSITION = /^[Pp]arsing \[(.*?):(\d+)\]\s*:\s*(.*)$/;
/** What only says that something was said. */
const SUMMARY = /^(Error\(s\) found in configuration|Fatal errors found|config : )/;

/** Runs `haproxy -c` in `directory`, which relative paths in the configuration start from. */
export function askProgram(
  { path }: Program,
  files: readonly string[],
  env: Env,
  directory: string,
): Opinion {
  const args = ['-c', ...files.flatMap((file) => ['-f', file])];
  const options = { encoding: 'utf8', env: { ...env }, cwd: directory, timeout: PATIENCE } as const;
  const { stdout, stderr, status } = spawnSync(path, args, options);
  const lines = `${stderr}\n${stdout}`.split('\n').filter((line) => line.trim() !== '');
  const messages = lines.flatMap((line): Message[] => {
    const [, level, said = ''] = MESSAGE.exec(line) ?? [];
    if (level === undefined || SUMMARY.test(said)) return [];
    const [, file, number, text] = POSITION.exec(said) ?? [];
    return [
      {
        level: level === 'ALERT' ? 'alert' : 'warning',
        file,
        line: number === undefined ? undefined : Number(number),
        text: (text ?? said).trim().replace(/\.+$/, ''),
      },
    ];
  });
  const accepted = status === 0;
  if (accepted || messages.some(({ level }) => level === 'alert')) return { accepted, messages };
  // That there is no listener is no message of its own.
  const text = lines.at(-1)?.replace(/ => exit\(\d+\)\.?$/, '') ?? 'it says no reason';
  return {
    accepted,
    messages: [...messages, { level: 'alert', file: undefined, line: undefined, text }],
  };
}
