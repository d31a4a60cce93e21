import { resolve } from 'node:path';
import { serviceSettings } from '../config/settings-file.ts';
import { programOf } from '../haproxy/program.ts';
import { startedWith } from '../haproxy/running.ts';
import { compare } from '../haproxy/trial.ts';
import { type Options, parseOptions, ToolExit } from '../options.ts';
import { applyChanges, type Change, isSame } from '../replace-files.ts';
import { ConfigError, type Env } from '../settings.ts';
import { engineText, engineThere } from './engine-file.ts';
import type { Words } from './options.ts';
import { describeControllers, describeFrontend, diffOf } from './summary.ts';
import { readFiles, wire } from './wire.ts';

const HELP = `haproxy-otel-spoa add: lets a configuration of HAProxy be traced, and changes nothing else

Usage: haproxy-otel-spoa add [options]           prints what it would change
       haproxy-otel-spoa add [options] --write   changes it

  -f, --file PATH       file or folder, as HAProxy is given it; may be
                        repeated                    what the service is started with
  --frontend NAME       trace this one; may be repeated               all with "mode http"
  --tcp                 connections of "mode tcp" frontends are spans, too
  --trust WHOM          whose trace is continued: private (networks),
                        continue (everybody's), restart (nobody's, with a
                        link), ignore (nobody's), or networks as
                        192.0.2.0/24,2001:db8::/32                    private
  --propagators LIST    headers that are read and written beside
                        traceparent: b3, b3multi, jaeger, xray
  --spop ADDRESS        where the agent is asked                      HAPROXY_OTEL_SPOP
  --records ADDRESS     where it takes records                        HAPROXY_OTEL_RECORDS
  --config FILE         the agent's settings, which have these two    those of the service
  --ratio NUMBER        share of new traces to sample, 0 to 1, to six decimals:
                        HAProxy decides, and asks only for these      the agent decides
  --access-log json     your loggers get one JSON object a line, with trace id,
                        span id and timings                           own: as it is
  --lines sampled       what is neither sampled nor failed does not get to the
                        agent; before HAProxy 3.1 only where nobody else logs  all
  --through-reload      before HAProxy 3.1: report long responses that outlive a
                        reload, whose lines then have the severity "warning"
  --haproxy PROGRAM     the HAProxy that has to accept it             haproxy
  --write               files are replaced; "remove" brings back what was there
  --help

Options are as they were when it is run again without them.
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
  config: { type: 'string' },
  ratio: { type: 'string' },
  'access-log': { type: 'string' },
  lines: { type: 'string' },
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
  const { values } = parseOptions(args, OPTIONS, 0);
  if (values.help) {
    write(HELP);
    return ToolExit.OK;
  }
  const directory = process.cwd();
  const started = values.file === undefined ? startedWith(env) : { paths: values.file, env };
  const program = programOf(values.haproxy, env);
  const files = readFiles(started.paths);
  const { version, features } = program;
  const settings = serviceSettings(env, values.config).env;
  const reading = { env: started.env, version, features };
  const { plan, texts } = wire(files, wordsOf(values), settings, reading, directory);
  const engine = { path: plan.engine, text: engineText() };
  const there = engineThere(plan.engine);
  const { paths } = started;
  const before = { paths, texts: files.clean, engine: undefined };
  const refusal = compare(before, { paths, texts, engine }, program, started.env, directory);
  if (refusal !== undefined) throw new ConfigError(`nothing is written: ${refusal}`);
  const changes: Change[] = [
    { path: plan.engine, before: there, after: Buffer.from(engine.text) },
    ...changesOf(files.current, texts, directory),
  ];
  const notes = [
    ...plan.frontends.map(describeFrontend),
    ...describeControllers(files.clean),
    `HAProxy ${version.text} accepts it.`,
  ];
  finish(changes, values.write === true, notes, write);
  return ToolExit.OK;
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
  const { frontend, tcp, trust, propagators, spop, records, ratio, lines } = values;
  const words = {
    frontend: frontend?.join(','),
    tcp: tcp ? '' : undefined,
    trust,
    propagators,
    spop,
    records,
    ratio,
    lines,
    'access-log': values['access-log'],
    'through-reload': values['through-reload'] ? '' : undefined,
  };
  return Object.fromEntries(Object.entries(words).filter(([, value]) => value !== undefined));
}
