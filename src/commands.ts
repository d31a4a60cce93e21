import { SETTINGS, type Setting, type SettingName } from './config/table.ts';
import type { Command, Option } from './options.ts';

/** An option in place of a setting. */
function setting<const N extends SettingName>(name: N, value: string) {
  const { type, description, default: fallback }: Setting = SETTINGS[name];
  return {
    value,
    setting: name,
    description: `${name}: ${plainText(description)}\n${type.accepts}`,
    ...(fallback === undefined ? {} : { default: fallback }),
  } as const;
}

/** Markdown without its marks. */
export function plainText(markdown: string): string {
  return markdown.replaceAll('`', '').replace(/\[([^\]]*)\]\([^)]*\)/g, '$1');
}

const HELP = { short: 'h', description: 'help for this command' } as const;
const VERSION = { short: 'v', description: 'the version of this program' } as const;
const FILES = '[FILE or FOLDER ...]';
const ABOUT_FILES =
  'Files are read in order, as "haproxy -f" takes them; without any, those that the service is started with.';
const FILE = {
  short: 'f',
  value: 'PATH',
  multiple: true,
  description: 'the same, as HAProxy is given it',
} as const;
const CONFIG = {
  value: 'FILE',
  description: "the agent's settings",
  default: 'HAPROXY_OTEL_CONFIG, or those of the service',
} as const;
const FOR_PROGRAMS = { description: 'for programs' } as const;

/** Every command, with its options: their order is that of the help. */
// biome-ignore format: a table is read by its columns
export const COMMANDS = {
  run: {
    summary: 'speak SPOP with HAProxy, export spans',
    operands: '',
    most: 1,
    about: 'Options are before the environment, which is before the file of --config.',
    options: {
      spop: setting('HAPROXY_OTEL_SPOP', 'ADDRESS'),
      records: setting('HAPROXY_OTEL_RECORDS', 'ADDRESS'),
      config: setting('HAPROXY_OTEL_CONFIG', 'FILE'),
      admin: setting('HAPROXY_OTEL_ADMIN', 'ADDRESS'),
      'log-level': setting('OTEL_LOG_LEVEL', 'LEVEL'),
      help: HELP,
      version: VERSION,
    },
    notes:
      "Where spans go, which are sampled and what they are called is set by OpenTelemetry's own variables, as OTEL_EXPORTER_OTLP_ENDPOINT: docs/configuration.md has all of them.",
  },
  demo: {
    summary: 'run HAProxy, a server, the agent and a receiver on this machine, with a few requests',
    operands: '',
    most: 1,
    options: { once: { description: 'end after these' }, help: HELP, version: VERSION },
  },
  add: {
    summary: 'let a configuration of HAProxy be traced, and change nothing else',
    operands: FILES,
    most: Number.POSITIVE_INFINITY,
    about: `${ABOUT_FILES} Without --write it prints what it would change.`,
    options: {
      file: FILE,
      frontend: { value: 'NAME', multiple: true, recorded: true, default: 'all with "mode http"',
        description: 'trace this one, beside those that were named before' },
      tcp: { recorded: true, description: 'connections of "mode tcp" frontends are spans, too' },
      trust: { value: 'WHOM', recorded: true, default: 'private',
        description: "whose trace is continued: private (networks), continue (everybody's), restart (nobody's, with a link), ignore (nobody's), or networks and bind lines, as 192.0.2.0/24,2001:db8::/32,bind:front" },
      propagators: { value: 'LIST', recorded: true,
        description: 'headers that are read and written beside traceparent: b3, b3multi, jaeger, xray' },
      spop: { value: 'ADDRESS', recorded: true, default: 'HAPROXY_OTEL_SPOP',
        description: 'where the agent is asked' },
      records: { value: 'ADDRESS', recorded: true, default: 'HAPROXY_OTEL_RECORDS',
        description: 'where it receives records' },
      tls: { value: 'FILE', recorded: true, default: 'off',
        description: "HAProxy's certificate and key in one PEM file, for an agent on another host; or off" },
      'ca-file': { value: 'FILE', recorded: true,
        description: "authorities of the agent's certificate, with --tls" },
      engine: { value: 'PATH', recorded: true, default: 'haproxy-otel-spoa.conf beside the configuration',
        description: 'HAProxy loads the SPOE engine from this path, and nothing is written there' },
      config: { ...CONFIG, description: "the agent's settings, which have these two" },
      ratio: { value: 'NUMBER', recorded: true, default: 'the agent decides',
        description: 'share of new traces to sample, 0 to 1, to six decimals: HAProxy decides, and asks only for these' },
      'access-log': { value: 'json', recorded: true, default: 'own: as it is',
        description: 'your loggers get one JSON object a line, with trace id, span id and timings' },
      attributes: { value: 'LIST', recorded: true, default: 'none',
        description: 'span attributes beside those of every hop: tls, rule, cache, rtt, grpc; or none' },
      lines: { value: 'sampled', recorded: true, default: 'all',
        description: 'what is neither sampled nor failed does not get to the agent; before HAProxy 3.1 only where nobody else logs' },
      states: { recorded: true,
        description: 'what HAProxy logs of backends gets to the agent, too: for log records of servers that are up or down' },
      'through-reload': { recorded: true,
        description: 'before HAProxy 3.1: report long responses that outlive a reload, whose lines then have the severity "warning"' },
      haproxy: { value: 'PROGRAM', default: 'haproxy',
        description: 'the HAProxy that has to accept it' },
      write: { description: 'files are replaced; "remove" brings back what was there' },
      help: HELP,
    },
    notes:
      'Options are as they were when it is run again without them. "remove --frontend NAME" takes one out.',
  },
  remove: {
    summary: 'take out of a configuration of HAProxy what "add" put in',
    operands: FILES,
    most: Number.POSITIVE_INFINITY,
    about: `${ABOUT_FILES} Without --write it prints what it would change.`,
    options: {
      file: FILE,
      frontend: { value: 'NAME', multiple: true, description: 'only of this one' },
      haproxy: { value: 'PROGRAM', default: 'haproxy, if there is one',
        description: 'the HAProxy that has to accept it' },
      write: { description: 'files are replaced' },
      help: HELP,
    },
    notes: 'What you changed meanwhile stays; all else is byte for byte what it was.',
  },
  check: {
    summary: 'report what is missing or wrong in a configuration of HAProxy',
    operands: FILES,
    most: Number.POSITIVE_INFINITY,
    about: `${ABOUT_FILES} Where the agent listens is taken from its settings: HAPROXY_OTEL_SPOP, HAPROXY_OTEL_RECORDS, HAPROXY_OTEL_MAX_FRAME_SIZE.`,
    options: {
      file: FILE,
      haproxy: { value: 'PROGRAM', default: 'haproxy',
        description: 'which HAProxy to ask, as "haproxy -c"' },
      'haproxy-version': { value: 'VERSION', default: 'that of PROGRAM',
        description: 'check for this one, as 3.0' },
      config: CONFIG,
      spop: { value: 'ADDRESS', description: 'where the agent listens, before the settings' },
      records: { value: 'ADDRESS', description: 'where it receives records, likewise' },
      json: FOR_PROGRAMS,
      help: HELP,
    },
    notes:
      'Exit code: 0 nothing is wrong, there may be hints; 1 errors or warnings; 2 it could not be checked.',
  },
  verify: {
    summary: 'send one request through HAProxy and report what became of it',
    operands: 'URL',
    most: 1,
    about:
      'The request is a GET with a sampled trace of its own. What HAProxy made of it is seen in the response, whether the agent is there where HAProxy asks it (HAPROXY_OTEL_SPOP of its settings), and what it did on its admin listener (HAPROXY_OTEL_ADMIN and HAPROXY_OTEL_ADMIN_TOKEN_FILE of its settings; root finds the token that the service has in /etc/haproxy-otel-spoa/credentials).',
    options: {
      host: { value: 'NAME', description: "the Host header, where it is not the URL's" },
      insecure: { description: 'accept any certificate' },
      config: CONFIG,
      spop: { value: 'ADDRESS', default: SETTINGS.HAPROXY_OTEL_SPOP.default,
        description: 'where HAProxy asks the agent' },
      admin: { value: 'ADDRESS', default: SETTINGS.HAPROXY_OTEL_ADMIN.default,
        description: "the agent's admin listener" },
      wait: { value: 'SECONDS', default: '15',
        description: 'how long record and export may take' },
      json: FOR_PROGRAMS,
      help: HELP,
    },
    notes:
      'Exit code: 0 all was seen and is well; 1 something is not; 2 it could not be tried, as there was no response or an option is wrong; 3 nothing is wrong, but not all was seen.',
  },
} as const satisfies Readonly<
  Record<
    string,
    Command & {
      readonly options: Readonly<
        Record<
          string,
          Option & {
            readonly setting?: SettingName;
            /** Written down in the configuration, to be as it was when `add` is run again. */
            readonly recorded?: true;
          }
        >
      >;
    }
  >
>;
