import { type ServiceSettings, serviceSettings } from '../config/settings-file.ts';
import { defaultOf } from '../config/table.ts';
import { parseOptions, ToolExit } from '../options.ts';
import { address, addressOrOff, ConfigError, type Env, integerFrom, read } from '../settings.ts';
import { VERSION } from '../version.ts';
import type { AdminAccess } from './agent-view.ts';
import { type Verified, type VerifyOptions, verify } from './verify.ts';

const HELP = `haproxy-otel-spoa verify: sends one request through HAProxy and says what became of it

Usage: haproxy-otel-spoa verify [options] URL

The request is a GET with a sampled trace of its own. What HAProxy made of it is seen in the response, whether the
agent is there where HAProxy asks it (HAPROXY_OTEL_SPOP of its settings), and what it did on its admin listener (HAPROXY_OTEL_ADMIN and HAPROXY_OTEL_ADMIN_TOKEN_FILE of its settings; root finds the
token that the service has in /etc/haproxy-otel-spoa/credentials).

  --host NAME       the Host header, where it is not the URL's
  --insecure        take any certificate
  --config FILE     the agent's settings                       HAPROXY_OTEL_CONFIG, or those of the service
  --spop ADDRESS    where HAProxy asks the agent               127.0.0.1:12345
  --admin ADDRESS   where the agent tells of itself            127.0.0.1:12347
  --wait SECONDS    how long record and export may take        15
  --json            for programs
  --help

Exit code: 0 all was seen and is well; 1 something is not; 2 it could not be tried; 3 nothing is wrong, but not all was seen.
`;

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  host: { type: 'string' },
  insecure: { type: 'boolean' },
  config: { type: 'string' },
  spop: { type: 'string' },
  admin: { type: 'string' },
  wait: { type: 'string' },
  json: { type: 'boolean' },
} as const;

/** Milliseconds until a response that does not come is none. */
const RESPONSE_TIMEOUT = 30_000;

const SIGNS = { ok: 'ok', failed: 'FAILED', unseen: 'not seen', skipped: '-' } as const;

/** @throws ConfigError for wrong usage */
export async function verifyCommand(
  args: readonly string[],
  env: Env,
  write: (text: string) => void,
): Promise<ToolExit> {
  const { values, positionals } = parseOptions(args, OPTIONS, 1);
  if (values.help) {
    write(HELP);
    return ToolExit.OK;
  }
  const settings = serviceSettings(env, values.config);
  const verified = await verify({
    url: urlOf(positionals[0]),
    host: values.host,
    insecure: values.insecure === true,
    timeout: RESPONSE_TIMEOUT,
    userAgent: `haproxy-otel-spoa-verify/${VERSION}`,
    ...spopAccess(settings, values.spop),
    admin: adminAccess(settings, env, values.admin),
    patience: read({ '--wait': values.wait }, '--wait', 15, integerFrom(1, 3_600)) * 1_000,
  });
  if (values.json) {
    write(`${JSON.stringify(verified, null, 2)}\n`);
  } else {
    write(settings.file === undefined ? '' : `settings of the agent: ${settings.file}\n\n`);
    write(format(verified));
  }
  const states = verified.steps.map(({ state }) => state);
  if (states.includes('failed')) return ToolExit.FOUND;
  return states.includes('unseen') ? ToolExit.PARTIAL : ToolExit.OK;
}

function urlOf(text: string | undefined): URL {
  if (text === undefined) throw new ConfigError('a URL is needed, as http://127.0.0.1:8080/');
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) {
    throw new ConfigError(`"${text}" is no URL: http://… or https://… is accepted`);
  }
  return new URL(text);
}

function spopAccess(
  { env }: ServiceSettings,
  flag: string | undefined,
): Pick<VerifyOptions, 'spop' | 'isSpopKnown' | 'isSpopSecured'> {
  const name = flag === undefined ? 'HAPROXY_OTEL_SPOP' : '--spop';
  const text = (flag ?? env.HAPROXY_OTEL_SPOP)?.trim();
  const spop = read({ [name]: text }, name, defaultOf('HAPROXY_OTEL_SPOP'), address);
  const isSpopSecured = Boolean(env.HAPROXY_OTEL_TLS_CERTIFICATE?.trim());
  return { spop, isSpopKnown: Boolean(text), isSpopSecured };
}

function adminAccess(
  { env, adminTokenFile }: ServiceSettings,
  environment: Env,
  flag: string | undefined,
): AdminAccess | undefined {
  const name = flag === undefined ? 'HAPROXY_OTEL_ADMIN' : '--admin';
  const text = (flag ?? env.HAPROXY_OTEL_ADMIN)?.trim();
  const where = read({ [name]: text }, name, defaultOf('HAPROXY_OTEL_ADMIN'), addressOrOff);
  if (where === 'off') return undefined;
  // The token of the service is for no other address than that of its settings.
  const isService = flag === undefined && !environment.HAPROXY_OTEL_ADMIN?.trim();
  return {
    address: where,
    tokenFile:
      env.HAPROXY_OTEL_ADMIN_TOKEN_FILE?.trim() || (isService ? adminTokenFile : undefined),
  };
}

function format({ traceId, steps }: Verified): string {
  const lines = steps.map(
    ({ name, state, text }) => `${name.padEnd(9)} ${SIGNS[state].padEnd(9)} ${text}`,
  );
  const trace = traceId === undefined ? [] : ['', `trace id ${traceId}`];
  return `${[...lines, ...trace].join('\n')}\n`;
}
