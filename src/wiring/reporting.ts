import type { Configuration } from '../haproxy/configuration.ts';
import { countsBytes, formatOf, isStructured, parseLogger } from '../haproxy/loggers.ts';
import { lastOf, loggersOf, optionOf, type ProxySection } from '../haproxy/proxies.ts';
import { beginsWith } from '../haproxy/sections.ts';
import { type HaproxyVersion, isAtLeast } from '../haproxy/version.ts';
import { levelRules } from './levels.ts';
import type { WiringOptions } from './options.ts';

/** Which hops are reported when the headers of their reply go out. Beside a line these may be those that have none. */
type Replies = 'none' | 'all' | 'normal' | 'silenced';

/** How the hops of a proxy are reported: by lines to the ring, by what is written at the reply, or by both. */
export type Side = { readonly line: boolean; readonly replies: Replies };

/** What is not reported, and why: by HAProxy before 3.1, from then on, or by any. */
type Unseen = { readonly what: string; readonly when?: 'before' | 'since' };

export type Reporting = {
  readonly kind: 'http' | 'tcp';
  /** HAProxy before 3.1: the record is the proxy's own structured data, which others of its loggers may have, too. */
  readonly before: Side;
  /** From 3.1 on it is that of a profile, which the ring's logger alone has. */
  readonly since: Side;
  /** There is no other logger: the line can be what is best for the record. */
  readonly isAlone: boolean;
  /** Log lines have to stand behind all others of the section. */
  readonly isLast: boolean;
  /** The user's loggers show no level and filter by none: it can be raised for long responses. */
  readonly isLevelFree: boolean;
  readonly unseen: readonly Unseen[];
};

const WITHOUT_LEVEL = ['raw', 'timed', 'iso'];
const VERBOSE = 7;

/** Decides by what logs there are already; what the user has of them is not touched. */
export function reportingOf(
  proxy: ProxySection,
  configuration: Configuration,
  { jsonLog }: WiringOptions,
): Reporting {
  const loggers = loggersOf(proxy, configuration.global).map(parseLogger);
  const isAlone = loggers.length === 0;
  const kind = proxy.mode === 'http' ? 'http' : 'tcp';
  const format = jsonLog && proxy.mode === 'http' ? '%B' : formatOf(proxy);
  const hasLine = isAlone || format !== undefined;
  const rules = levelRules(proxy, configuration);
  const silenced = kind === 'http' && rules.some(({ level }) => level === 'silent');
  const quiet = !isAlone && optionOf(proxy.statements, 'dontlog-normal') !== undefined;
  const shared =
    lastOf(proxy.statements, 'log-format-sd') !== undefined ||
    loggers.some((logger) => isStructured(logger, configuration.sections));
  const left = quiet && silenced ? 'all' : quiet ? 'normal' : silenced ? 'silenced' : 'none';
  const sideOf = (line: boolean): Side =>
    kind === 'tcp'
      ? { line, replies: 'none' }
      : line
        ? { line, replies: left }
        : { line, replies: 'all' };
  const before = sideOf(hasLine && !shared);
  const since = sideOf(hasLine);
  const asap = !isAlone && optionOf(proxy.statements, 'logasap') !== undefined;
  const early = !isAlone && kind === 'http' && hasLine && !countsBytes(format ?? '');
  const [any, normal, end] =
    kind === 'tcp'
      ? ['any connection', 'normal connections', '']
      : ['the end of the body', 'the end of the body of normal requests', 'the end of the body'];
  const unseen: readonly (Unseen | false)[] = hasLine
    ? [
        !before.line && {
          what: `${any} before HAProxy 3.1: it has structured data of its own, or a logger that would show ours`,
          when: 'before',
        },
        quiet && { what: `${normal}: "option dontlog-normal"` },
        silenced && { what: `${end} of requests that "set-log-level silent" has no line for` },
        asap && { what: `${end}: "option logasap"` },
        !asap &&
          early && {
            what: `${end} from HAProxy 3.1 on: its log-format counts no bytes`,
            when: 'since',
          },
      ]
    : [{ what: `${any}: it has no log format` }];
  return {
    kind,
    before,
    since,
    isAlone,
    isLast: isAlone || jsonLog || proxy.own.some((line) => beginsWith(line, 'no', 'log')),
    isLevelFree: loggers.every(
      ({ format: each, level }) => WITHOUT_LEVEL.includes(each ?? '') && level === VERBOSE,
    ),
    unseen: unseen.filter((each) => each !== false),
  };
}

/** Why one version of HAProxy writes records of hops that are not sampled, in spite of `--lines sampled`. */
export function unsampledBy(
  version: HaproxyVersion,
  { kind, isAlone, before, since }: Reporting,
): string | undefined {
  const isProfiled = isAtLeast(version, '3.1');
  const { replies } = isProfiled ? since : before;
  if (kind === 'tcp') return undefined;
  if (replies === 'all' || replies === 'normal') {
    return 'its records are written when replies go out, sampled or not';
  }
  return isProfiled || isAlone ? undefined : 'before HAProxy 3.1 other loggers get the same lines';
}

/** What one version of HAProxy does not report. */
export function unseenBy(version: HaproxyVersion, { unseen }: Reporting): string[] {
  const now = isAtLeast(version, '3.1') ? 'since' : 'before';
  return unseen.flatMap(({ what, when = now }) => (when === now ? [what] : []));
}
