import { readFileSync } from 'node:fs';
import { leadsTo, parseAddress } from '../haproxy/addresses.ts';
import type { AgentSettings } from '../haproxy/agent-settings.ts';
import type { Configuration } from '../haproxy/configuration.ts';
import { type Engine, findEngine, resolveFile, sentMessages } from '../haproxy/engine.ts';
import { type Logger, parseLogger } from '../haproxy/loggers.ts';
import { loggersOf, type ProxySection } from '../haproxy/proxies.ts';
import { type Section, says, wordAfter } from '../haproxy/sections.ts';
import type { ShippedLines } from '../haproxy/shipped.ts';
import { type Doubt, readStatements, type Statement } from '../haproxy/statements.ts';
import { type HaproxyVersion, isAtLeast } from '../haproxy/version.ts';

/** What all rules look at. */
export type Subject = {
  readonly configuration: Configuration;
  readonly version: HaproxyVersion;
  readonly features: ReadonlySet<string> | undefined;
  readonly agent: AgentSettings;
  /** The lines to propose. */
  readonly shipped: ShippedLines;
  /** Relative paths in the configuration start here. */
  readonly directory: string;
};

/** An SPOE engine as one filter line names it. */
export type NamedEngine = {
  readonly filter: Statement;
  readonly name: string | undefined;
  readonly path: string;
  /** Undefined where the file cannot be read. */
  readonly statements: readonly Statement[] | undefined;
  readonly engine: Engine | undefined;
  readonly doubts: readonly Doubt[];
};

/** A frontend that has to do with the agent. */
export type Frontend = {
  readonly proxy: ProxySection;
  /** As findings name it. */
  readonly section: string;
  readonly loggers: readonly Logger[];
  /** Those that lead to the agent. */
  readonly toRing: readonly Logger[];
  readonly toPort: readonly Logger[];
  readonly engines: readonly NamedEngine[];
};

/** Name and prefix by which the shipped files know the engine. */
export const ENGINE = 'otel';

export function atLeast(subject: Subject, version: string): boolean {
  return isAtLeast(subject.version, version) === true;
}

/** Frontends that the agent is told of or asked by, in the order of the configuration. */
export function tracedFrontends(subject: Subject): Frontend[] {
  return frontendsOf(subject)
    .map((proxy) => look(proxy, subject))
    .filter(
      ({ proxy, toRing, toPort, engines }) =>
        toRing.length + toPort.length + engines.length > 0 ||
        proxy.statements.some(({ words, unset }) =>
          [...words, ...unset].some((word) => /\btxn\.otel\.|^OTEL_[A-Z_]*RECORD$/.test(word)),
        ),
    );
}

export function frontendsOf({ configuration }: Subject): ProxySection[] {
  return configuration.proxies.filter(({ kind }) => kind !== 'backend');
}

/** The backends that a frontend may choose: all, where only a request says which. */
export function backendsOf({ proxy }: Frontend, { configuration }: Subject): ProxySection[] {
  const names = proxy.statements.flatMap(({ words }) =>
    words[0] === 'default_backend' || words[0] === 'use_backend' ? [words[1]] : [],
  );
  const isOpen = names.some((name) => name?.includes('%'));
  return configuration.proxies.filter(
    ({ kind, name, mode }) =>
      kind !== 'frontend' && (names.includes(name) || (isOpen && mode === 'http')),
  );
}

export function ringNamed(name: string, { configuration }: Subject): Section | undefined {
  return configuration.sections.find((section) => section.kind === 'ring' && section.name === name);
}

export function serversOf(statements: readonly Statement[]): Statement[] {
  return statements.filter(({ words }) => words[0] === 'server');
}

/** A line of the shipped configuration, to be proposed. */
export function proposed(lines: readonly string[], pattern: RegExp): string[] {
  return lines.map((line) => line.trim()).filter((line) => pattern.test(line));
}

/** Filter lines of the agent's engine. */
export function enginesOf(proxy: ProxySection, subject: Subject): NamedEngine[] {
  const filters = proxy.statements.filter((line) => says(line, 'filter', 'spoe'));
  return filters.map((filter) => nameEngine(filter, subject)).filter(isOwn);
}

function look(proxy: ProxySection, subject: Subject): Frontend {
  const { configuration, agent } = subject;
  const loggers = loggersOf(proxy, configuration.global).map(parseLogger);
  const engines = enginesOf(proxy, subject);
  const rings = loggers.filter(({ target }) => target.kind === 'ring');
  const known = rings.filter(
    ({ target }) => target.kind === 'ring' && isAgentRing(target.name, subject),
  );
  const toRing = known.length > 0 || engines.length === 0 ? known : rings;
  const ringAddresses = toRing.flatMap(({ target }) =>
    target.kind === 'ring'
      ? serversOf(ringNamed(target.name, subject)?.statements ?? []).map(({ words }) => words[2])
      : [],
  );
  const leads = (logger: Logger): boolean | undefined =>
    logger.target.kind === 'datagram' && agent.records !== undefined
      ? leadsTo(logger.target.address, agent.records)
      : undefined;
  const right = loggers.filter(
    (logger) =>
      logger.target.kind === 'datagram' &&
      (leads(logger) === true || ringAddresses.includes(logger.statement.words[1])),
  );
  // To another port of this host, in the form that the agent takes: meant for it, if no other line is.
  const wrong = loggers.filter((logger) => leads(logger) === false && logger.format === 'raw');
  const toPort = right.length > 0 || toRing.length === 0 ? right : wrong;
  const section = `${proxy.kind} ${proxy.name}`;
  return { proxy, section, loggers, toRing, toPort, engines };
}

function isAgentRing(name: string, subject: Subject): boolean {
  const { records } = subject.agent;
  if (name === ENGINE) return true;
  return serversOf(ringNamed(name, subject)?.statements ?? []).some(
    ({ words }) => records !== undefined && leadsTo(parseAddress(words[2] ?? ''), records) === true,
  );
}

function nameEngine(
  filter: Statement,
  { configuration, directory, version, features }: Subject,
): NamedEngine {
  const name = wordAfter(filter, 'engine');
  const path = resolveFile(
    wordAfter(filter, 'config') ?? '',
    filter,
    configuration.global,
    directory,
  );
  const doubts: Doubt[] = [];
  const reading = { environment: configuration.environment, facts: { version, features }, doubts };
  let statements: Statement[] | undefined;
  try {
    statements = readStatements(readFileSync(path, 'utf8'), path, reading);
  } catch {
    statements = undefined;
  }
  const engine = statements && findEngine(statements, name);
  return { filter, name, path, statements, engine, doubts };
}

/** By its name, its file's name, or what it answers: there may be other agents, and they are none of ours. */
function isOwn({ name, path, engine }: NamedEngine): boolean {
  if (name === ENGINE || /(^|\/)otel[^/]*$/.test(path)) return true;
  return engine !== undefined && sentMessages(engine).some((message) => message.name === 'mint');
}
