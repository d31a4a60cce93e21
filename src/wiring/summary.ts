import { createTwoFilesPatch } from 'diff';
import { describeController } from '../haproxy/controllers.ts';
import { statementsWith } from '../haproxy/proxies.ts';
import type { HaproxyVersion } from '../haproxy/version.ts';
import { headerFindings } from './header-rules.ts';
import type { TrustPolicy } from './options.ts';
import type { PlannedFrontend } from './plan.ts';
import { unsampledBy, unseenBy } from './reporting.ts';
import type { Wired, WiringFiles } from './wire.ts';

/** A unified diff, for `patch`. */
export function diffOf(path: string, before: string, after: string): string {
  const patch = createTwoFilesPatch(path, path, readable(before), readable(after), '', '', {
    context: 3,
  });
  return patch.slice(patch.indexOf('---'));
}

/** Texts of files are bytes as long as they are only edited. */
export function readable(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** One line a frontend: whose context is trusted, and which hops are not reported, and why. */
export function describeFrontend(
  { proxy, reporting, trust }: PlannedFrontend,
  version: HaproxyVersion,
): string {
  const name = `${proxy.kind} ${readable(proxy.name)}`;
  if (reporting === undefined) {
    return proxy.mode === 'tcp'
      ? `${name}: not traced: "mode tcp" (--tcp)`
      : `${name}: not traced${proxy.mode === 'http' ? '' : `: "mode ${proxy.mode}"`}`;
  }
  const whom = reporting.kind === 'http' ? `, context of ${describeTrust(trust)} continued` : '';
  const unseen = unseenBy(version, reporting)
    .map((each) => `; not seen: ${each}`)
    .join('');
  return `${name}: traced${whom}${unseen}`;
}

function describeTrust(trust: TrustPolicy): string {
  if (typeof trust !== 'string') {
    return [...trust.networks, ...trust.binds.map((name) => `"bind … name ${name}"`)].join(', ');
  }
  return {
    private: 'private networks',
    continue: 'everybody',
    restart: 'nobody',
    ignore: 'nobody',
  }[trust];
}

/** One line a frontend whose records are not left out by `--lines sampled`, and why. */
export function describeUnsampled({ plan, options }: Wired, version: HaproxyVersion): string[] {
  if (!options.onlySampled) return [];
  return plan.frontends.flatMap(({ proxy, reporting }) => {
    const why = reporting && unsampledBy(version, reporting);
    const name = `${proxy.kind} ${readable(proxy.name)}`;
    return why === undefined ? [] : [`${name}: "--lines sampled" leaves out no record: ${why}`];
  });
}

/** One line a rule of the user's that undoes what is sent to servers. */
export function describeHeaders({ clean, plan, options }: Wired, files: WiringFiles): string[] {
  const lines = plan.frontends
    .filter(({ reporting }) => reporting?.kind === 'http')
    .flatMap(({ proxy }) => statementsWith(proxy, clean.proxies))
    .flatMap((statement) => {
      const { file, line } = files.positionOf(statement);
      return headerFindings(statement, options.propagators).map(
        ([, what, why]) => `${file}:${line}: ${what}. ${why}`,
      );
    });
  return [...new Set(lines)];
}

export function describeControllers(texts: ReadonlyMap<string, string>): string[] {
  return [...texts].flatMap(([file, text]) => describeController(file, text) ?? []);
}
