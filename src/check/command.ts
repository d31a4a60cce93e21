import { COMMANDS } from '../commands.ts';
import { serviceSettings } from '../config/settings-file.ts';
import { agentSettings } from '../haproxy/agent-settings.ts';
import { parseConfiguration, type ReadingOptions } from '../haproxy/configuration.ts';
import { checkWith } from '../haproxy/program.ts';
import { startedWith } from '../haproxy/running.ts';
import { findTarget } from '../haproxy/target.ts';
import { parseOptions, ToolExit } from '../options.ts';
import { type Env, UsageError } from '../settings.ts';
import { readable } from '../wiring/summary.ts';
import { readFiles, type Wired, type WiringFiles, wire } from '../wiring/wire.ts';
import { check } from './check.ts';
import { formatReport, reportJson } from './report.ts';

/** @throws UsageError for wrong usage, and for what cannot be read */
export function checkCommand(
  args: readonly string[],
  env: Env,
  write: (text: string) => void,
): ToolExit {
  const { values, positionals } = parseOptions(args, COMMANDS.check);
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
  const candidate = { paths, texts: files.current };
  const result = program && checkWith(program, candidate, started.env, directory);
  const checked = check(
    { files, current: configuration, wired: tryWire(files, reading, directory), version, agent },
    result,
  );
  const head = {
    version: version.text,
    files: configuration.files,
    accepted: result?.accepted,
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
    if (error instanceof UsageError) return error.message;
    throw error;
  }
}
