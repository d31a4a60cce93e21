import { isIP } from 'node:net';
import { serviceSettings } from '../config/settings-file.ts';
import { SHIPPED_ENGINE, shippedLines } from '../haproxy/shipped.ts';
import { findTarget } from '../haproxy/target.ts';
import { DEFAULT_ADDRESSES, type ListenAddress } from '../listen.ts';
import { type Options, parseOptions, ToolExit } from '../options.ts';
import {
  address,
  ConfigError,
  type Env,
  listOf,
  notAccepted,
  oneOf,
  type Parser,
  read,
} from '../settings.ts';
import { makeSnippet, PARTS, PROPAGATORS, TRUSTS, type Trust } from './snippet.ts';

const HELP = `haproxy-otel-spoa snippet: prints the lines that a configuration of HAProxy needs

Usage: haproxy-otel-spoa snippet --frontend NAME [options]

  --frontend NAME            the frontend to trace
  --mode http|tcp            its mode                                       http
  --trust WHOM               whose trace is continued: private (networks),
                             continue (everybody's), restart (nobody's, with
                             a link), ignore (nobody's), or networks as
                             192.0.2.0/24,2001:db8::/32                     private
  --propagators LIST         headers that servers read: tracecontext, which
                             is always among them, baggage (as attributes),
                             b3, b3multi, jaeger, xray                      tracecontext
  --spop ADDRESS             where the agent is asked                       HAPROXY_OTEL_SPOP
  --records ADDRESS          where it takes records                         HAPROXY_OTEL_RECORDS
  --config FILE              the agent's settings, which have these two     HAPROXY_OTEL_CONFIG,
                             or those of the service
  --engine PATH              the SPOE file                                  the one of this package
  --parts LIST               global, sections, frontend                     all
  --haproxy PROGRAM          the HAProxy that the lines are for             haproxy
  --haproxy-version VERSION  the same, as 3.0
  --help

A second frontend needs --parts frontend only.
`;

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  frontend: { type: 'string' },
  mode: { type: 'string' },
  trust: { type: 'string' },
  propagators: { type: 'string' },
  config: { type: 'string' },
  spop: { type: 'string' },
  records: { type: 'string' },
  engine: { type: 'string' },
  parts: { type: 'string' },
  haproxy: { type: 'string' },
  'haproxy-version': { type: 'string' },
} as const;

/** @throws ConfigError for wrong usage */
export function snippetCommand(
  args: readonly string[],
  env: Env,
  write: (text: string) => void,
): ToolExit {
  const { values } = parseOptions(args, OPTIONS, 0);
  if (values.help) {
    write(HELP);
    return ToolExit.OK;
  }
  const flags = asFlags(values);
  const frontend = values.frontend;
  if (frontend === undefined) throw new ConfigError('--frontend NAME is needed');
  if (!/^[A-Za-z0-9_.:-]+$/.test(frontend)) {
    throw notAccepted('--frontend', frontend, 'a name of letters, digits and _ . : -');
  }
  const { version } = findTarget(values.haproxy, values['haproxy-version'], env);
  const settings = serviceSettings(env, values.config);
  const shipped = shippedLines({
    version,
    spop: listener(flags, settings.env, '--spop', 'HAPROXY_OTEL_SPOP', DEFAULT_ADDRESSES.spop),
    records: listener(
      flags,
      settings.env,
      '--records',
      'HAPROXY_OTEL_RECORDS',
      DEFAULT_ADDRESSES.records,
    ),
    engine: values.engine ?? SHIPPED_ENGINE,
  });
  const snippet = makeSnippet(shipped, {
    frontend,
    mode: read(flags, '--mode', 'http', oneOf(['http', 'tcp'])),
    trust: read(flags, '--trust', 'private', whom),
    propagators: read(flags, '--propagators', [], listOf(PROPAGATORS)),
    parts: read(flags, '--parts', PARTS, listOf(PARTS)),
  });
  const from = settings.file === undefined ? '' : `# Settings of the agent: ${settings.file}\n\n`;
  write(`${from}${snippet}`);
  return ToolExit.OK;
}

/** Options by the names in messages. */
function asFlags(values: Options<typeof OPTIONS>['values']): Env {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) =>
      typeof value === 'string' ? [[`--${name}`, value]] : [],
    ),
  );
}

/** Where HAProxy gets to the agent: a socket that was handed over to the agent says nothing of that. */
function listener(
  flags: Env,
  env: Env,
  flag: string,
  variable: string,
  fallback: ListenAddress,
): ListenAddress {
  const name = flags[flag]?.trim() ? flag : variable;
  const found = read({ ...env, ...flags }, name, fallback, address);
  if (found.kind !== 'fd') return found;
  throw new ConfigError(`${variable} is "fd:${found.fd}": ${flag} has to say where that is`);
}

const whom: Parser<Trust> = {
  accepts: `${TRUSTS.join(', ')}, or networks with commas between them`,
  parse: (text) => {
    const name = TRUSTS.find((each) => each === text.toLowerCase());
    if (name !== undefined) return name;
    const networks = text.split(',').map((each) => each.trim());
    return networks.every(isNetwork) ? { networks } : undefined;
  },
};

function isNetwork(text: string): boolean {
  const [host = '', bits, more] = text.split('/');
  const most = { 0: -1, 4: 32, 6: 128 }[isIP(host)] ?? -1;
  return (
    most > 0 &&
    more === undefined &&
    (bits === undefined || (/^\d+$/.test(bits) && Number(bits) <= most))
  );
}
