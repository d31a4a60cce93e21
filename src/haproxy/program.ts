import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Env, UsageError } from '../settings.ts';
import { type HaproxyVersion, parseVersion } from './version.ts';

/** A HAProxy that can be run here. */
export type Program = {
  readonly path: string;
  readonly version: HaproxyVersion;
  /** Names with a + in `haproxy -vv`. */
  readonly features: ReadonlySet<string>;
};

/** A configuration, written or not. */
export type Candidate = {
  /** As for `haproxy -f`. */
  readonly paths: readonly string[];
  /** By file. */
  readonly texts: ReadonlyMap<string, string>;
};

/** The result of `haproxy -c`. */
export type CheckResult = {
  readonly accepted: boolean;
  readonly messages: readonly Diagnostic[];
};

export type Diagnostic = {
  /** HAProxy refuses a configuration for its alerts. */
  readonly level: 'alert' | 'warning';
  /** Undefined where it is not about a line. */
  readonly file: string | undefined;
  readonly line: number | undefined;
  readonly text: string;
};

/** HAProxy is not in the PATH of users who are not root. */
const ALSO = '/usr/sbin:/usr/local/sbin';

/** The timeout of a check, which reads certificates and maps and resolves names. Milliseconds. */
const TIMEOUT = 60_000;

/**
 * @param name of the program, or its path
 * @returns undefined where there is none that prints its version
 */
export function findProgram(name: string, env: Env): Program | undefined {
  const path = name.includes('/') ? name : inPath(name, `${env.PATH ?? ''}:${ALSO}`);
  if (path === undefined) return undefined;
  const { stdout, status } = spawnSync(path, ['-vv'], { encoding: 'utf8', timeout: TIMEOUT });
  const version = parseVersion(/version (\S+)/.exec(stdout ?? '')?.[1] ?? '');
  if (status !== 0 || version === undefined) return undefined;
  const listed = /^Feature list : (.*)$/m.exec(stdout)?.[1] ?? '';
  const features = [...listed.matchAll(/\+(\S+)/g)].map(([, feature = '']) => feature);
  return { path, version, features: new Set(features) };
}

/** @throws UsageError where there is none: `name` is that of `--haproxy` */
export function programOf(name: string | undefined, env: Env): Program {
  const program = findProgram(name ?? 'haproxy', env);
  if (program !== undefined) return program;
  throw new UsageError(
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
const POSITION = /^(?:[Pp]arsing )?\[(.*?):(\d+)\]\s*:\s*(.*)$/;
/** Summary lines, which repeat that there were messages. */
const SUMMARY =
  /^(Error\(s\) found in configuration|Fatal errors found|Some warnings were found|config : )/;
/** Of an alert after which HAProxy goes on, and starts. */
const CONTINUES = /\bContinuing$/;
/** A section that only a master process accepts, which `-W` makes of HAProxy. */
const OF_MASTER = /^\s*(["']?)program\1\s/m;

/** Runs `haproxy -c` in `directory`, which relative paths in the configuration start from. */
export function checkWith(
  { path }: Program,
  { paths, texts }: Candidate,
  env: Env,
  directory: string,
): CheckResult {
  const isMaster = [...texts.values()].some((text) => OF_MASTER.test(text));
  const args = ['-c', ...(isMaster ? ['-W'] : []), ...paths.flatMap((file) => ['-f', file])];
  const options = { encoding: 'utf8', env: { ...env }, cwd: directory, timeout: TIMEOUT } as const;
  const { stdout, stderr, status } = spawnSync(path, args, options);
  const lines = `${stderr}\n${stdout}`.split('\n').filter((line) => line.trim() !== '');
  const messages = lines.flatMap((line): Diagnostic[] => {
    const [, level, message = ''] = MESSAGE.exec(line) ?? [];
    if (level === undefined || SUMMARY.test(message)) return [];
    const [, file, number, found = message] = POSITION.exec(message) ?? [];
    const text = found.trim().replace(/\.+$/, '');
    const isFatal = level === 'ALERT' && !CONTINUES.test(text);
    return [
      {
        level: isFatal ? 'alert' : 'warning',
        file,
        line: number === undefined ? undefined : Number(number),
        text,
      },
    ];
  });
  const accepted = status === 0;
  if (accepted || messages.some(({ level }) => level === 'alert')) return { accepted, messages };
  const last = lines.at(-1);
  // With `zero-warning`, or of what is deprecated, HAProxy only warns of the cause.
  if (messages.length > 0 && MESSAGE.test(last ?? '')) {
    return { accepted, messages: messages.map((message) => ({ ...message, level: 'alert' })) };
  }
  // A configuration without a listener fails without a message of its own.
  const text = last?.replace(/ => exit\(\d+\)\.?$/, '') ?? 'it says no reason';
  return {
    accepted,
    messages: [...messages, { level: 'alert', file: undefined, line: undefined, text }],
  };
}
