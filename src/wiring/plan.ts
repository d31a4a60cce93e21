import { dirname, resolve } from 'node:path';
import type { Configuration } from '../haproxy/configuration.ts';
import type { SectionLines } from '../haproxy/insertion-points.ts';
import { hasRules, lastOf, type ProxySection, statementsOf } from '../haproxy/proxies.ts';
import { beginsWith, type Section, wordAfter } from '../haproxy/sections.ts';
import type { Statement } from '../haproxy/statements.ts';
import { parseSize } from '../haproxy/units.ts';
import { DEFAULT_LINE_LENGTH, LINE_MARGIN } from '../records/format.ts';
import { UsageError } from '../settings.ts';
import { type Circumstances, circumstancesOf } from './circumstances.ts';
import { addCompanions } from './companions.ts';
import { Draft } from './draft.ts';
import type { Edit } from './edits.ts';
import { filterLines } from './filters.ts';
import { loggingLines, sharedLines, stateLines } from './log-lines.ts';
import { checkBinds, checkNames, type TrustPolicy, type WiringOptions } from './options.ts';
import { type Reporting, reportingOf } from './reporting.ts';
import { type Rules, rulesOf, trustOf } from './rules.ts';

/** What is to be done to a configuration, and what becomes of its frontends. */
export type Plan = {
  readonly edits: readonly Edit[];
  /** The file with the SPOE engine, as HAProxy opens it. */
  readonly engine: string;
  readonly frontends: readonly PlannedFrontend[];
};

export type PlannedFrontend = {
  readonly proxy: ProxySection;
  /** Undefined where it is not traced. */
  readonly reporting: Reporting | undefined;
  readonly trust: TrustPolicy;
};

type TracedProxy = {
  readonly proxy: ProxySection;
  readonly reporting: Reporting;
  readonly circumstances: Circumstances;
  readonly rules: Rules;
  readonly logging: readonly string[];
  /** What it asks the agent by. */
  readonly filters: SectionLines;
};

export const ENGINE_FILE = 'haproxy-otel-spoa.conf';

/**
 * @param configuration without anything that `add` wrote
 * @param command as which the options are written down
 * @param directory that relative paths start from
 * @throws UsageError where there is nothing to trace
 */
export function planWiring(
  configuration: Configuration,
  options: WiringOptions,
  command: string,
  directory: string,
): Plan {
  const draft = new Draft(configuration.texts, configuration.sections);
  const length = lineLength(configuration);
  const shared = sharedPosition(configuration, draft);
  const engine = options.engine ?? resolve(directory, dirname(shared.file), ENGINE_FILE);
  const frontends = configuration.proxies.filter(({ kind }) => kind !== 'backend');
  const targets = targetsOf(frontends, configuration, options, engine, length);
  draft.block(shared.file, shared.line, '', `haproxy-otel-spoa add ${command}`, [
    '# What stands in such blocks is replaced by "haproxy-otel-spoa add", and taken out by "remove".',
    ...sharedLines(targets, options, length),
  ]);
  for (const [defaults, users] of groupBy(targets, ({ proxy }) => proxy.defaults)) {
    wireUsers(defaults, users, configuration, draft);
  }
  for (const { proxy } of targets) addCompanions(proxy, configuration, options, draft);
  if (options.states) {
    for (const { kind, head, own } of configuration.proxies) {
      if (kind === 'backend') draft.into(head, own, { end: stateLines(length) });
    }
  }
  const planned = new Map(targets.map(({ proxy, reporting }) => [proxy, reporting]));
  return {
    edits: draft.edits,
    engine,
    frontends: frontends.map((proxy) => ({
      proxy,
      reporting: planned.get(proxy),
      trust: trustOf(proxy, options),
    })),
  };
}

function targetsOf(
  frontends: readonly ProxySection[],
  configuration: Configuration,
  options: WiringOptions,
  engine: string,
  length: number,
): TracedProxy[] {
  checkNames(
    options.frontends,
    frontends.map(({ name }) => name),
  );
  checkBinds(options.trust, frontends.flatMap(bindNames));
  const targets = frontends
    .filter(({ name }) => options.frontends?.includes(name) ?? true)
    .filter(({ mode }) => mode === 'http' || (mode === 'tcp' && options.tcp))
    .map((proxy): TracedProxy => {
      const reporting = reportingOf(proxy, configuration, options);
      const circumstances = circumstancesOf(proxy, configuration);
      const rules = rulesOf(proxy, reporting, options, circumstances);
      const logging = loggingLines(reporting, options, length);
      const filters =
        reporting.kind === 'http' ? filterLines(proxy, engine, configuration.global) : {};
      return { proxy, reporting, circumstances, rules, logging, filters };
    })
    .filter(({ reporting: { kind, since } }) => kind === 'http' || since.line);
  if (targets.length > 0) return targets;
  throw new UsageError(
    frontends.length === 0
      ? 'there is no frontend'
      : 'no frontend with "mode http" is there to be traced; --tcp traces connections',
  );
}

function bindNames({ own }: ProxySection): string[] {
  return own.flatMap((line) =>
    line.words[0] === 'bind' ? (wordAfter(line, 'name', 2) ?? []) : [],
  );
}

/** Puts rules once beside the defaults that several frontends inherit from, where HAProxy allows that. */
function wireUsers(
  defaults: Section | undefined,
  users: readonly TracedProxy[],
  { sections, proxies }: Configuration,
  draft: Draft,
): void {
  const isFrontend = ({ proxy, reporting }: TracedProxy): boolean =>
    proxy.kind === 'frontend' && reporting.kind === 'http';
  const joining = users.filter(isFrontend);
  let inline = users.filter((target) => !isFrontend(target));
  if (defaults === undefined || draft.isConditional(defaults.head)) inline = [...users];
  else if (!hasRules(statementsOf(defaults, sections))) join(defaults, joining, draft);
  else if (
    // No other defaults can inherit from those that have rules.
    joining.length === proxies.filter((proxy) => proxy.defaults === defaults).length &&
    new Set(joining.map(({ rules }) => JSON.stringify(rules))).size === 1
  ) {
    extend(defaults, joining, draft);
  } else inline = [...users];
  for (const { proxy, reporting, rules, logging, filters } of inline) {
    draft.into(proxy.head, proxy.own, {
      ...filters,
      ...rules,
      [insertionPointOf(reporting)]: logging,
    });
  }
}

/** A section of rules beside the defaults, from which frontends inherit now. */
function join(defaults: Section, targets: readonly TracedProxy[], draft: Draft): void {
  if (targets.length === 0) return;
  const isNamed = defaults.name !== '';
  const base = isNamed ? defaults.name : draft.unused('otel-base');
  if (!isNamed) draft.head(defaults.head, 'name', base);
  const lines = [...groupBy(targets, ({ rules }) => JSON.stringify(rules)).values()].flatMap(
    (group) => {
      const name = draft.unused('otel-rules');
      for (const { proxy } of group) draft.head(proxy.head, 'inherit', name);
      const { rules, logging } = inDefaults(group, draft);
      // HAProxy reads formats by the mode that it knows by then.
      const all = ['mode http', ...rules.tcp, ...rules.http, ...logging].map((line) => ` ${line}`);
      return [`defaults ${name} from ${base}`, ...all, ''];
    },
  );
  draft.behind(
    defaults.head,
    `${isNamed ? `of "${base}"` : `"defaults" is "${base}" now`}: what tracing needs of frontends, and for all others the same as before`,
    [...lines, `defaults from ${base}`],
  );
}

/** Formats for HTTP have to stand behind "mode http", and loggers behind "no log". */
function insertionPointOf({ isLast, before, since }: Reporting): 'log' | 'end' {
  return isLast || before.replies !== 'none' || since.replies !== 'none' ? 'end' : 'log';
}

/** The user's own section of rules, which runs before those of its frontends. */
function extend(defaults: Section, targets: readonly TracedProxy[], draft: Draft): void {
  const { rules, logging } = inDefaults(targets, draft);
  // HAProxy reads formats by the mode that it knows by then, which may be each frontend's own.
  draft.into(defaults.head, defaults.statements, { top: ['mode http'], ...rules, end: logging });
}

/** Returns the lines that all targets share; lines of their own are inserted into each. */
function inDefaults(
  targets: readonly TracedProxy[],
  draft: Draft,
): { readonly rules: Rules; readonly logging: readonly string[] } {
  const [first] = targets;
  const isSame =
    targets.every(({ reporting }) => !reporting.isLast) &&
    new Set(targets.map(({ logging }) => logging.join('\n'))).size === 1;
  for (const { proxy, reporting, logging, filters } of targets) {
    const own = isSame ? {} : { [insertionPointOf(reporting)]: logging };
    draft.into(proxy.head, proxy.own, { ...filters, ...own });
  }
  return {
    rules: first?.rules ?? { tcp: [], http: [] },
    logging: isSame ? (first?.logging ?? []) : [],
  };
}

/** The place of shared lines: behind `global`, and before any section that may use them. */
function sharedPosition(
  { sections, files }: Configuration,
  draft: Draft,
): { readonly file: string; readonly line: number } {
  const first = sections.findIndex(({ kind }) => kind !== 'global');
  const global = sections[(first === -1 ? sections.length : first) - 1]?.head;
  if (global !== undefined && !draft.isConditional(global)) {
    return { file: global.file, line: draft.endOf(global) };
  }
  const head = sections[0]?.head;
  const line = head === undefined || draft.isConditional(head) ? 0 : head.line - 1;
  return { file: head?.file ?? files[0] ?? '', line };
}

/** A line with a name of ours that `add` did not write. */
export function foreignLine({ sections, proxies }: Configuration): Statement | undefined {
  const isEngine = (line: Statement): boolean =>
    beginsWith(line, 'filter', 'spoe') && line.words[line.words.indexOf('engine') + 1] === 'otel';
  return (
    sections.find(
      ({ kind, name }) =>
        (kind === 'ring' && name === 'otel') || (kind === 'backend' && name === 'otel-agents'),
    )?.head ?? proxies.flatMap(({ statements }) => statements).find(isEngine)
  );
}

function lineLength({ global }: Configuration): number {
  const size = parseSize(lastOf(global, 'tune.bufsize')?.words[1]);
  return size === undefined
    ? DEFAULT_LINE_LENGTH
    : Math.min(DEFAULT_LINE_LENGTH, size - LINE_MARGIN);
}

function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}
