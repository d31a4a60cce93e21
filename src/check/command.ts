import { serviceSettings } from '../config/settings-file.ts';
import { agentSettings } from '../haproxy/agent-settings.ts';
import { parseConfiguration, type ReadingOptions } from '../haproxy/configuration.ts';
import { askProgram } from '../haproxy/program.ts';
import { startedWith } from '../haproxy/running.ts';
import { findTarget } from '../haproxy/target.ts';
import { parseOptions, ToolExit } from '../options.ts';
import { ConfigError, type Env } from '../settings.ts';
import { readable } from '../wiring/summary.ts';
import { readFiles, type Wired, type WiringFiles, wire } from '../wiring/wire.ts';
import { check } from './check.ts';
import { formatReport, reportJson } from './report.ts';

const HELP = `haproxy-otel-spoa check: says what is missing or wrong in a configuration of HAProxy

Usage: haproxy-otel-spoa check [options] [FILE or FOLDER ...]

Files are read in order, as "haproxy -f" takes them; without any, what the service is started with. Where the agent
listens is taken from its settings: HAPROXY_OTEL_SPOP, HAPROXY_OTEL_RECORDS, HAPROXY_OTEL_MAX_FRAME_SIZE.

  -f, --file PATH            the same, as HAProxy is given it; may be repeated
  --haproxy PROGRAM          which HAProxy to ask, as "haproxy -c"          haproxy
  --haproxy-version VERSION  check for this one, as 3.0                     that of PROGRAM
  --config FILE              the agent's settings         HAPROXY_OTEL_CONFIG, or those of the service
  --spop, --records ADDRESS  where the agent listens, before the settings
  --json                     for programs
  --help

Exit code: 0 nothing is wrong, there may be hints; 1 errors or warnings; 2 it could not be checked.
`;

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  file: { type: 'string', short: 'f', multiple: true },
  json: { type: 'boolean' },
  config: { type: 'string' },
  spop: { type: 'string' },
  records: { type: 'string' },
  haproxy: { type: 'string' },
  'haproxy-version': { type: 'string' },
} as const;

/** @throws ConfigError for wrong usage, and for what cannot be read */
export function checkCommand(
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
  const { paths } = started;
  const { version, program } = findTarget(values.haproxy, values['haproxy-version'], env);
  const reading = { env: started.env, version, features: program?.features };
  // Settings are the agent's: HAProxy does not see them.
  const settings = serviceSettings(env, values.config);
  const agent = agentSettings({
    ...settings.env,
    ...(values.spop === undefined ? {} : { HAPROXY_OTEL_SPOP: values.spop }),
    ...(values.records === undefined ? {} : { HAPROXY_OTEL_RECORDS: values.records }),
  });
  const directory = process.cwd();
  const files = readFiles(paths);
  const texts = new Map([...files.current].map(([file, text]) => [file, readable(text)]));
  const configuration = parseConfiguration(texts, reading);
  const opinion = program && askProgram(program, paths, started.env, directory);
  const checked = check(
    { files, current: configuration, wired: tryWire(files, reading, directory), version, agent },
    opinion,
  );
  const head = {
    version: version.text,
    files: configuration.files,
    accepted: opinion?.accepted,
    settings: settings.file,
  };
  write(values.json ? reportJson(head, checked) : formatReport(head, checked));
  return checked.findings.some(({ severity }) => severity !== 'hint')
    ? ToolExit.FOUND
    : ToolExit.OK;
}

/** @returns why nothing is to be written where that is so */
function tryWire(files: WiringFiles, reading: ReadingOptions, directory: string): Wired | string {
  try {
    return wire(files, {}, {}, reading, directory);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}
