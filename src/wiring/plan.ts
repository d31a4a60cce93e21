import { dirname, resolve } from 'node:path';
import type { Configuration } from '../haproxy/configuration.ts';
import { lastOf, type ProxySection, statementsOf } from '../haproxy/proxies.ts';
import type { Section } from '../haproxy/sections.ts';
import { parseSize } from '../haproxy/units.ts';
import { DEFAULT_LINE_LENGTH, LINE_MARGIN } from '../records/format.ts';
import { ConfigError } from '../settings.ts';
import type { Edit } from './edits.ts';
import { impliedFilters } from './filters.ts';
import { companionOf, levelRules } from './levels.ts';
import { type Lines, loggingLines, sharedLines } from './log-lines.ts';
import { checkNames, type Trust, type WiringOptions } from './options.ts';
import { Outline } from './outline.ts';
import { type Places, placesIn } from './places.ts';
import { type Reporting, reportingOf } from './reporting.ts';
import { type Rules, rulesOf, trustOf } from './rules.ts';

/** What is to be done to a configuration, and what becomes of its frontends. */
export type Plan = {
  readonly edits: readonly Edit[];
  /** Absolute path of the file with the SPOE engine. */
  readonly engine: string;
  readonly frontends: readonly PlannedFrontend[];
};

export type PlannedFrontend = {
  readonly proxy: ProxySection;
  /** Undefined where it is not traced. */
  readonly reporting: Reporting | undefined;
  readonly trust: Trust;
};

type Target = {
  readonly proxy: ProxySection;
  readonly reporting: Reporting;
  readonly rules: Rules;
  readonly logging: readonly string[];
};

export const ENGINE_FILE = 'haproxy-otel-spoa.conf';

/**
 * @param configuration without anything that `add` wrote
 * @param command as which the options are written down
 * @param directory that relative paths start from
 * @throws ConfigError where there is nothing to trace, or lines that only look like those of `add`
 */
export function planWiring(
  configuration: Configuration,
  options: WiringOptions,
  command: string,
  directory: string,
): Plan {
  return new Planner(configuration, options, command, directory).run();
}

class Planner {
  private readonly configuration: Configuration;
  private readonly options: WiringOptions;
  private readonly command: string;
  private readonly outlines: ReadonlyMap<string, Outline>;
  private readonly edits: Edit[] = [];
  private readonly names: Set<string>;
  private readonly lines: Lines;
  private readonly engine: string;

  constructor(
    configuration: Configuration,
    options: WiringOptions,
    command: string,
    directory: string,
  ) {
    this.configuration = configuration;
    this.options = options;
    this.command = command;
    this.outlines = new Map(
      [...configuration.texts].map(([file, text]) => [file, new Outline(text)]),
    );
    this.names = new Set(configuration.sections.map(({ name }) => name));
    this.lines = { options, length: lineLength(configuration) };
    this.engine = resolve(directory, dirname(this.sharedPlace().file), ENGINE_FILE);
  }

  run(): Plan {
    this.refuseForeign();
    const targets = this.targets();
    if (targets.length === 0) throw this.nothing();
    const reportings = targets.map(({ reporting }) => reporting);
    const { file, line } = this.sharedPlace();
    this.block(file, line, '', `haproxy-otel-spoa add ${this.command}`, [
      '# What stands in such blocks is replaced by "haproxy-otel-spoa add", and taken out by "remove".',
      ...sharedLines(reportings, this.lines),
    ]);
    const rest = targets.filter(({ reporting }) => reporting.kind === 'tcp');
    const http = targets.filter(({ reporting }) => reporting.kind === 'http');
    for (const [defaults, users] of groupBy(http, ({ proxy }) => proxy.defaults)) {
      const joining = users.filter(({ proxy }) => proxy.kind === 'frontend');
      const others = users.filter(({ proxy }) => proxy.kind !== 'frontend');
      if (
        defaults === undefined ||
        this.outlineOf(defaults.head).isConditional(defaults.head.line - 1)
      ) {
        rest.push(...users);
      } else if (!hasRules(statementsOf(defaults, this.configuration.sections))) {
        this.join(defaults, joining);
        rest.push(...others);
      } else if (others.length === 0 && this.canExtend(defaults, joining))
        this.extend(defaults, joining);
      else rest.push(...users);
    }
    for (const target of rest) this.inline(target);
    this.companions(http);
    const planned = new Map(targets.map((target) => [target.proxy, target.reporting]));
    return {
      edits: this.edits,
      engine: this.engine,
      frontends: this.configuration.proxies
        .filter(({ kind }) => kind !== 'backend')
        .map((proxy) => ({
          proxy,
          reporting: planned.get(proxy),
          trust: trustOf(proxy, this.options),
        })),
    };
  }

  private targets(): Target[] {
    const { configuration, options } = this;
    const frontends = configuration.proxies.filter(({ kind }) => kind !== 'backend');
    checkNames(
      options.frontends,
      frontends.map(({ name }) => name),
    );
    return frontends
      .filter(({ name }) => options.frontends?.includes(name) ?? true)
      .filter(({ mode }) => mode === 'http' || (mode === 'tcp' && options.tcp))
      .map((proxy) => {
        const reporting = reportingOf(proxy, configuration);
        const rules = rulesOf(proxy, reporting, options, configuration);
        return { proxy, reporting, rules, logging: loggingLines(reporting, this.lines) };
      })
      .filter(({ reporting: { kind, since } }) => kind === 'http' || since.line);
  }

  /** A section of rules beside the defaults that the frontends inherit from now. */
  private join(defaults: Section, targets: readonly Target[]): void {
    if (targets.length === 0) return;
    const { file, line } = defaults.head;
    const outline = this.outlineOf(defaults.head);
    const indent = outline.indentIn(line - 1);
    const base = defaults.name === '' ? this.unused('otel-base') : defaults.name;
    if (defaults.name === '')
      this.edits.push({ kind: 'name', file, line: line - 1, defaults: base });
    const sections: string[] = [];
    for (const [, group] of groupBy(targets, ({ rules }) => JSON.stringify(rules))) {
      const name = this.unused('otel-rules');
      const [first] = group;
      const isShared = sameLogging(group);
      sections.push(`defaults ${name} from ${base}`);
      sections.push(
        ...indented(
          [
            ...(first?.rules.tcp ?? []),
            ...(first?.rules.http ?? []),
            ...(isShared ? (first?.logging ?? []) : []),
          ],
          indent,
        ),
        '',
      );
      for (const { proxy, logging, reporting } of group) {
        const { head } = proxy;
        this.edits.push({ kind: 'inherit', file: head.file, line: head.line - 1, defaults: name });
        this.filters(proxy, isShared || reporting.isLast ? [] : logging);
        if (!isShared && reporting.isLast) this.atEnd(proxy, logging);
      }
    }
    const what = defaults.name === '' ? `"defaults" is "${base}" now` : `of "${base}"`;
    this.block(
      file,
      outline.endOf(line - 1),
      '',
      `${what}; what tracing needs of frontends, and the same as before for others`,
      [...sections, `defaults from ${base}`],
    );
  }

  /** No other defaults can inherit from those that have rules: all frontends that do have to be alike. */
  private canExtend(defaults: Section, targets: readonly Target[]): boolean {
    const users = this.configuration.proxies.filter((proxy) => proxy.defaults === defaults);
    return (
      users.length === targets.length &&
      new Set(targets.map(({ rules }) => JSON.stringify(rules))).size === 1
    );
  }

  private extend(defaults: Section, targets: readonly Target[]): void {
    const [first] = targets;
    if (first === undefined) return;
    const { head, statements } = defaults;
    const outline = this.outlineOf(head);
    const places = placesIn(outline, head.line - 1, statements);
    const isShared = sameLogging(targets);
    this.blocks(head.file, outline.indentIn(head.line - 1), places, {
      top: [],
      tcp: first.rules.tcp,
      http: first.rules.http,
      end: isShared ? first.logging : [],
    });
    for (const { proxy, logging, reporting } of targets) {
      this.filters(proxy, isShared || reporting.isLast ? [] : logging);
      if (!isShared && reporting.isLast) this.atEnd(proxy, logging);
    }
  }

  private inline({ proxy, reporting, rules, logging }: Target): void {
    const { head, own } = proxy;
    const outline = this.outlineOf(head);
    const places = placesIn(outline, head.line - 1, own);
    const { top, behind } = this.filterLines(proxy, reporting);
    this.blocks(head.file, outline.indentIn(head.line - 1), places, {
      top: [...top, ...(reporting.isLast ? [] : logging)],
      tcp: rules.tcp,
      http: rules.http,
      end: reporting.isLast ? logging : [],
    });
    this.behindFilters(proxy, behind);
  }

  /** Blocks that would stand side by side are one. */
  private blocks(
    file: string,
    indent: string,
    places: Places,
    lines: Readonly<Record<keyof Places, readonly string[]>>,
  ): void {
    const byLine = new Map<number, string[]>();
    for (const name of ['top', 'tcp', 'http', 'end'] as const) {
      if (lines[name].length === 0) continue;
      byLine.set(places[name], [...(byLine.get(places[name]) ?? []), ...lines[name]]);
    }
    for (const [line, all] of byLine) this.block(file, line, indent, '', all);
  }

  private filters(proxy: ProxySection, logging: readonly string[]): void {
    const { head } = proxy;
    const { top, behind } = this.filterLines(proxy, undefined);
    const indent = this.outlineOf(head).indentIn(head.line - 1);
    this.block(head.file, head.line, indent, '', [...top, ...logging]);
    this.behindFilters(proxy, behind);
  }

  /** Ours comes first: what others do to a request is not what came from the client. */
  private filterLines(
    proxy: ProxySection,
    reporting: Reporting | undefined,
  ): { readonly top: string[]; readonly behind: string[] } {
    if (reporting?.kind === 'tcp') return { top: [], behind: [] };
    // Texts of files are bytes here.
    const bytes = Buffer.from(this.engine).toString('latin1');
    const path = /[\s#"'\\$]/.test(bytes) ? `'${bytes}'` : bytes;
    const own = `filter spoe engine otel config ${path}`;
    const implied = impliedFilters(proxy);
    const hasOthers = proxy.own.some(({ words }) => words[0] === 'filter');
    return hasOthers ? { top: [own], behind: implied } : { top: [own, ...implied], behind: [] };
  }

  private behindFilters({ own, head }: ProxySection, lines: readonly string[]): void {
    const last = own.findLast(({ words }) => words[0] === 'filter');
    if (last === undefined) return;
    const outline = this.outlineOf(head);
    const place = outline.behind(outline.outermost(last.line - 1, head.line - 1));
    this.block(head.file, place, outline.indentIn(head.line - 1), '', lines);
  }

  private atEnd({ head }: ProxySection, lines: readonly string[]): void {
    const outline = this.outlineOf(head);
    this.block(head.file, outline.endOf(head.line - 1), outline.indentIn(head.line - 1), '', lines);
  }

  /** Rules that say behind those of the user which requests have no line. */
  private companions(targets: readonly Target[]): void {
    const done = new Set<string>();
    for (const { proxy } of targets) {
      const rules = levelRules(proxy, this.configuration);
      if (!rules.some(({ level }) => level === 'silent')) continue;
      for (const rule of rules) {
        const { file, line } = rule.statement;
        if (done.has(`${file}:${line}`)) continue;
        done.add(`${file}:${line}`);
        const source = this.outlineOf(rule.statement).lines[line - 1] ?? '';
        const indent = /^\s*/.exec(source)?.[0] ?? '';
        this.block(file, line, indent, '', [companionOf(source, rule)]);
      }
    }
  }

  /** One line alone has no block around it. */
  private block(
    file: string,
    line: number,
    indent: string,
    note: string,
    lines: readonly string[],
  ): void {
    const [only, ...more] = lines;
    if (only === undefined) return;
    if (more.length === 0) this.edits.push({ kind: 'line', file, line, indent, text: only });
    else this.edits.push({ kind: 'block', file, line, indent, note, lines });
  }

  /** Behind what is global, and before whatever else may have a use for it. */
  private sharedPlace(): { readonly file: string; readonly line: number } {
    const { sections, files } = this.configuration;
    const first = sections.findIndex(({ kind }) => kind !== 'global');
    const global = sections[(first === -1 ? sections.length : first) - 1];
    const outline = global && this.outlineOf(global.head);
    if (global !== undefined && outline?.isConditional(global.head.line - 1) === false) {
      return { file: global.head.file, line: outline.endOf(global.head.line - 1) };
    }
    const head = sections[0]?.head;
    const isPlain = head !== undefined && !this.outlineOf(head).isConditional(head.line - 1);
    return { file: head?.file ?? files[0] ?? '', line: isPlain ? head.line - 1 : 0 };
  }

  private outlineOf({ file }: { readonly file: string }): Outline {
    const outline = this.outlines.get(file);
    if (outline === undefined) throw new Error(`${file} was not read`);
    return outline;
  }

  private unused(name: string): string {
    let found = name;
    for (let count = 2; this.names.has(found); count += 1) found = `${name}-${count}`;
    this.names.add(found);
    return found;
  }

  private refuseForeign(): void {
    const { sections, proxies } = this.configuration;
    const section = sections.find(
      ({ kind, name }) =>
        (kind === 'ring' && name === 'otel') || (kind === 'backend' && name === 'otel-agents'),
    );
    const foreign =
      section?.head ??
      proxies
        .flatMap(({ statements }) => statements)
        .find(
          ({ words }) =>
            words[0] === 'filter' &&
            words[1] === 'spoe' &&
            words[words.indexOf('engine') + 1] === 'otel',
        );
    if (foreign === undefined) return;
    throw new ConfigError(
      `${foreign.file}:${foreign.line}: "${foreign.words.join(' ')}" was not written by "add": take out by hand what was put in by hand`,
    );
  }

  private nothing(): ConfigError {
    const modes = this.configuration.proxies.some(({ kind }) => kind !== 'backend');
    return new ConfigError(
      modes
        ? 'no frontend with "mode http" is there to be traced; --tcp traces connections'
        : 'there is no frontend',
    );
  }
}

function lineLength({ global }: Configuration): number {
  const size = parseSize(lastOf(global, 'tune.bufsize')?.words[1]);
  return size === undefined
    ? DEFAULT_LINE_LENGTH
    : Math.min(DEFAULT_LINE_LENGTH, size - LINE_MARGIN);
}

const RULES = [
  'http-request',
  'http-response',
  'http-after-response',
  'tcp-request',
  'tcp-response',
];

function hasRules(statements: ReturnType<typeof statementsOf>): boolean {
  return statements.some(
    ({ words: [keyword = '', action] }) => RULES.includes(keyword) && action !== 'inspect-delay',
  );
}

function sameLogging(targets: readonly Target[]): boolean {
  return (
    targets.every(({ reporting }) => !reporting.isLast) &&
    new Set(targets.map(({ logging }) => logging.join('\n'))).size === 1
  );
}

function indented(lines: readonly string[], indent: string): string[] {
  return lines.map((line) => (line === '' ? '' : `${indent}${line}`));
}

function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}
