import { resolve } from 'node:path';
import { serviceSettings } from '../config/settings-file.ts';
import { type Program, programOf } from '../haproxy/program.ts';
import { type Started, startedWith } from '../haproxy/running.ts';
import { compare } from '../haproxy/trial.ts';
import { type Options, parseOptions, ToolExit } from '../options.ts';
import { applyChanges, type Change, isSame } from '../replace-files.ts';
import { ConfigError, type Env } from '../settings.ts';
import { engineText, engineThere } from './engine-file.ts';
import type { Words } from './options.ts';
import { describeControllers, describeFrontend, describeHeaders, diffOf } from './summary.ts';
import { readFiles, type WiringFiles, wire, withFrontends } from './wire.ts';

const HELP = `haproxy-otel-spoa add: lets a configuration of HAProxy be traced, and changes nothing else

Usage: haproxy-otel-spoa add [options] [FILE or FOLDER ...]           prints what it would change
       haproxy-otel-spoa add [options] [FILE or FOLDER ...] --write   changes it

Files are read in order, as "haproxy -f" takes them; without any, what the service is started with.

  -f, --file PATH       the same, as HAProxy is given it; may be repeated
  --frontend NAME       trace this one, beside those that were named before;
                        may be repeated                               all with "mode http"
  --tcp                 connections of "mode tcp" frontends are spans, too
  --trust WHOM          whose trace is continued: private (networks),
                        continue (everybody's), restart (nobody's, with a
                        link), ignore (nobody's), or networks as
                        192.0.2.0/24,2001:db8::/32                    private
  --propagators LIST    headers that are read and written beside
                        traceparent: b3, b3multi, jaeger, xray
  --spop ADDRESS        where the agent is asked                      HAPROXY_OTEL_SPOP
  --records ADDRESS     where it takes records                        HAPROXY_OTEL_RECORDS
  --tls FILE            HAProxy's certificate and key in one PEM file, for an agent
                        on another host; or off                     off
  --ca-file FILE        authorities of the agent's certificate, with --tls
  --engine PATH         HAProxy loads the SPOE engine from this path, and nothing
                        is written there      haproxy-otel-spoa.conf beside the configuration
  --config FILE         the agent's settings, which have these two    those of the service
  --ratio NUMBER        share of new traces to sample, 0 to 1, to six decimals:
                        HAProxy decides, and asks only for these      the agent decides
  --attributes LIST     span attributes beside those of every hop: tls, rule, cache,
                        rtt, grpc; or none                            none
  --access-log json     your loggers get one JSON object a line, with trace id,
                        span id and timings                           own: as it is
  --lines sampled       what is neither sampled nor failed does not get to the
                        agent; before HAProxy 3.1 only where nobody else logs  all
  --states              what HAProxy logs of backends gets to the agent, too: for
                        log records of servers that are up or down
  --through-reload      before HAProxy 3.1: report long responses that outlive a
                        reload, whose lines then have the severity "warning"
  --haproxy PROGRAM     the HAProxy that has to accept it             haproxy
  --write               files are replaced; "remove" brings back what was there
  --help

Options are as they were when it is run again without them. "remove --frontend NAME" takes one out.
`;

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  file: { type: 'string', short: 'f', multiple: true },
  frontend: { type: 'string', multiple: true },
  tcp: { type: 'boolean' },
  trust: { type: 'string' },
  propagators: { type: 'string' },
  spop: { type: 'string' },
  records: { type: 'string' },
  tls: { type: 'string' },
  'ca-file': { type: 'string' },
  engine: { type: 'string' },
  config: { type: 'string' },
  ratio: { type: 'string' },
  'access-log': { type: 'string' },
  attributes: { type: 'string' },
  lines: { type: 'string' },
  states: { type: 'boolean' },
  'through-reload': { type: 'boolean' },
  haproxy: { type: 'string' },
  write: { type: 'boolean' },
} as const;

/** @throws ConfigError for wrong usage, and for what HAProxy does not accept: then nothing is written */
export function addCommand(
  args: readonly string[],
  env: Env,
  write: (text: string) => void,
): ToolExit {
  const { values, positionals } = parseOptions(args, OPTIONS, Number.POSITIVE_INFINITY);
  if (values.help) {
    write(HELP);
    return ToolExit.OK;
  }
  const started = startedWith([...(values.file ?? []), ...positionals], env);
  const files = readFiles(started.paths);
  const settings = serviceSettings(env, values.config).env;
  const words = withFrontends(wordsOf(values), files);
  const changing = { files, started, program: programOf(values.haproxy, env) };
  rewire(changing, words, settings, values.write === true, write);
  return ToolExit.OK;
}

/** A configuration, and who reads it. */
export type Changing = {
  readonly files: WiringFiles;
  readonly started: Started;
  readonly program: Program;
};

/** @throws ConfigError for what HAProxy does not accept: then nothing is written */
export function rewire(
  { files, started, program }: Changing,
  words: Words,
  settings: Env,
  isWritten: boolean,
  write: (text: string) => void,
): void {
  const directory = process.cwd();
  const { paths, env } = started;
  const { version, features } = program;
  const wired = wire(files, words, settings, { env, version, features }, directory);
  const { plan, options, texts } = wired;
  const engine = { path: plan.engine, text: engineText() };
  const before = { paths, texts: files.clean, engine: undefined };
  const refusal = compare(before, { paths, texts, engine }, program, env, directory);
  if (refusal !== undefined) throw new ConfigError(`nothing is written: ${refusal}`);
  const own = (): Change => ({
    path: plan.engine,
    before: engineThere(plan.engine),
    after: Buffer.from(engine.text),
  });
  const changes = [
    // HAProxy needs it as soon as the configuration is there.
    ...(options.engine === undefined ? [own()] : []),
    ...changesOf(files.current, texts, directory),
  ];
  const notes = [
    ...plan.frontends.map((frontend) => describeFrontend(frontend, version)),
    ...describeHeaders(wired, files),
    ...describeControllers(files.clean),
    `HAProxy ${version.text} accepts it.`,
  ];
  finish(changes, isWritten, notes, write);
}

/** What `add` and `remove` end with. */
export function finish(
  changes: readonly Change[],
  isWritten: boolean,
  notes: readonly string[],
  write: (text: string) => void,
): void {
  const changed = changes.filter(({ before, after }) => !isSame(before, after));
  const model = changes.find(({ before, after }) => before !== undefined && after !== undefined);
  if (isWritten) applyChanges(changed, model?.path ?? '.');
  else {
    for (const { path, before, after } of changed) {
      if (before === undefined || after === undefined) continue;
      write(diffOf(path, before.toString('latin1'), after.toString('latin1')));
    }
  }
  const what =
    changed.length === 0
      ? ['Nothing is to be changed.']
      : changed.map(({ path, after }) => {
          const done = after === undefined ? 'removed' : 'written';
          return `${path}: ${isWritten ? done : `not ${done} without --write`}`;
        });
  write(`${[...notes, ...what].join('\n')}\n`);
}

export function changesOf(
  current: ReadonlyMap<string, string>,
  texts: ReadonlyMap<string, string>,
  directory: string,
): Change[] {
  return [...texts].map(([file, text]) => ({
    path: resolve(directory, file),
    before: Buffer.from(current.get(file) ?? '', 'latin1'),
    after: Buffer.from(text, 'latin1'),
  }));
}

function wordsOf(values: Options<typeof OPTIONS>['values']): Words {
  const { frontend, tcp, trust, propagators, spop, records, tls, engine } = values;
  const { ratio, lines, attributes } = values;
  const words = {
    frontend: frontend?.join(','),
    tcp: tcp ? '' : undefined,
    trust,
    propagators,
    spop,
    records,
    tls,
    'ca-file': values['ca-file'],
    engine,
    ratio,
    lines,
    attributes,
    'access-log': values['access-log'],
    states: values.states ? '' : undefined,
    'through-reload': values['through-reload'] ? '' : undefined,
  };
  return Object.fromEntries(Object.entries(words).filter(([, value]) => value !== undefined));
}
