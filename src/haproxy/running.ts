import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Env } from '../settings.ts';

/** What HAProxy is started with on this host. */
export type Started = { readonly paths: readonly string[]; readonly env: Env };

const DEFAULT = '/etc/haproxy/haproxy.cfg';
const DEFAULTS_FILE = '/etc/default/haproxy';

/** Variables that a master process and systemd set for one process: with them another would act as their worker. */
const PROCESS = /^(HAPROXY_MWORKER|NOTIFY_SOCKET=|LISTEN_|WATCHDOG_)/;

/**
 * A configuration with the environment that HAProxy reads it in: that of the service, where it is the service's.
 *
 * @param asked files and folders that are named; none: those that the service is started with
 */
export function startedWith(asked: readonly string[], env: Env): Started {
  const service = serviceStart(env);
  const isService =
    asked.length === service.paths.length &&
    asked.every((path, index) => resolve(path) === resolve(service.paths[index] ?? ''));
  if (asked.length === 0) return service;
  return { paths: asked, env: isService ? service.env : env };
}

/** As the unit runs it, or would start it; what another user may not see is passed over. */
function serviceStart(env: Env): Started {
  const options = { encoding: 'utf8', timeout: 10_000 } as const;
  const { stdout } = spawnSync(
    'systemctl',
    ['show', 'haproxy', '--property=MainPID', '--value'],
    options,
  );
  const pid = Number(stdout?.trim());
  const running = pid > 0 ? textOf(`/proc/${pid}/cmdline`)?.split('\0') : undefined;
  const paths = running && pathsOf(running);
  if (paths !== undefined && paths.length > 0) {
    const own = Object.fromEntries(
      (textOf(`/proc/${pid}/environ`)?.split('\0') ?? []).flatMap((pair) => {
        const at = pair.indexOf('=');
        return at > 0 && !PROCESS.test(pair) ? [[pair.slice(0, at), pair.slice(at + 1)]] : [];
      }),
    );
    return { paths, env: { ...own, ...env } };
  }
  const settings = textOf(DEFAULTS_FILE) ?? '';
  const settingOf = (name: string): string | undefined =>
    new RegExp(`^\\s*${name}=["']?([^"'\\n]*)`, 'm').exec(settings)?.[1];
  const more = pathsOf((settingOf('EXTRAOPTS') ?? '').split(/\s+/));
  return { paths: [settingOf('CONFIG') || DEFAULT, ...more], env };
}

function pathsOf(args: readonly string[]): string[] {
  return args.flatMap((arg, index) => (args[index - 1] === '-f' && arg !== '' ? [arg] : []));
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
