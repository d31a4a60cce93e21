import { serviceSettings } from '../config/settings-file.ts';
import { agentSettings } from '../haproxy/agent-settings.ts';
import { readConfiguration } from '../haproxy/configuration.ts';
import { askProgram } from '../haproxy/program.ts';
import { SHIPPED_ENGINE, shippedLines } from '../haproxy/shipped.ts';
import { findTarget } from '../haproxy/target.ts';
import { DEFAULT_ADDRESSES } from '../listen.ts';
import { parseOptions, ToolExit } from '../options.ts';
import type { Env } from '../settings.ts';
import { type Checked, check, inOrder } from './check.ts';
import { opinionFindings } from './configuration-rules.ts';
import { formatReport, reportJson } from './report.ts';
import type { Subject } from './subject.ts';

const DEFAULT_FILE = '/etc/haproxy/haproxy.cfg';

const HELP = `haproxy-otel-spoa check: says what is missing or wrong in a configuration of HAProxy

Usage: haproxy-otel-spoa check [options] [FILE or DIRECTORY ...]      ${DEFAULT_FILE}

Files are read in order, as "haproxy -f" takes them. Where the agent listens is taken from its settings:
HAPROXY_OTEL_SPOP, HAPROXY_OTEL_RECORDS, HAPROXY_OTEL_MAX_FRAME_SIZE.

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
  const paths = positionals.length === 0 ? [DEFAULT_FILE] : positionals;
  const { version, program } = findTarget(values.haproxy, values['haproxy-version'], env);
  const features = program?.features;
  const configuration = readConfiguration(paths, { env, version, features });
  // Settings are the agent's: HAProxy does not see them.
  const settings = serviceSettings(env, values.config);
  const agent = agentSettings({
    ...settings.env,
    ...(values.spop === undefined ? {} : { HAPROXY_OTEL_SPOP: values.spop }),
    ...(values.records === undefined ? {} : { HAPROXY_OTEL_RECORDS: values.records }),
  });
  const place = {
    version,
    spop: agent.spop ?? DEFAULT_ADDRESSES.spop,
    records: agent.records ?? DEFAULT_ADDRESSES.records,
    engine: SHIPPED_ENGINE,
  };
  const directory = process.cwd();
  const shipped = shippedLines(place);
  const subject: Subject = { configuration, version, features, agent, shipped, directory };
  const opinion = program && askProgram(program, paths, env, directory);
  const checked = withOpinion(check(subject), opinion, subject);
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

function withOpinion(
  checked: Checked,
  opinion: ReturnType<typeof askProgram> | undefined,
  subject: Subject,
): Checked {
  if (opinion === undefined) return checked;
  const findings = [...checked.findings, ...opinionFindings(opinion, checked.findings, subject)];
  return { ...checked, findings: inOrder(findings, subject.configuration.files) };
}
