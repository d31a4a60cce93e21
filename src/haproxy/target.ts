import { type Env, UsageError } from '../settings.ts';
import { findProgram, type Program } from './program.ts';
import { branchOf, type HaproxyVersion, parseVersion } from './version.ts';

/** The HAProxy that a configuration is for. */
export type TargetHaproxy = {
  readonly version: HaproxyVersion;
  /** One that runs here, if it is of the version. */
  readonly program: Program | undefined;
};

/**
 * @param name of the program, or its path
 * @param asked a version that goes before that of the program
 * @throws UsageError for no version, or where there is neither one nor a program
 */
export function findTarget(
  name: string | undefined,
  asked: string | undefined,
  env: Env,
): TargetHaproxy {
  const program = findProgram(name ?? 'haproxy', env);
  if (name !== undefined && program === undefined) {
    throw new UsageError(`--haproxy is "${name}": a HAProxy that can be run is accepted`);
  }
  if (asked === undefined) {
    if (program !== undefined) return { version: program.version, program };
    throw new UsageError('no HAProxy is installed here: --haproxy-version, as 3.0, is needed');
  }
  const version = parseVersion(asked);
  if (version === undefined) {
    throw new UsageError(`--haproxy-version is "${asked}": a version as 3.0 or 2.8.5 is accepted`);
  }
  const isSame = program !== undefined && branchOf(program.version) === branchOf(version);
  return { version, program: isSame ? program : undefined };
}
