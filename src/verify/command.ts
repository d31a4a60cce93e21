import { COMMANDS } from '../commands.ts';
import { type ServiceSettings, serviceSettings } from '../config/settings-file.ts';
import { defaultOf } from '../config/table.ts';
import { parseOptions, ToolExit } from '../options.ts';
import { address, addressOrOff, type Env, integerFrom, read, UsageError } from '../settings.ts';
import { VERSION } from '../version.ts';
import type { AdminAccess } from './agent-view.ts';
import { type Verified, type VerifyOptions, verify } from './verify.ts';

/** Milliseconds until a response that does not come is none. */
const RESPONSE_TIMEOUT = 30_000;

/** Seconds. */
const WAIT = Number(COMMANDS.verify.options.wait.default);

const SIGNS = { ok: 'ok', failed: 'FAILED', unseen: 'not seen', skipped: '-' } as const;

/** @throws UsageError for wrong usage */
export async function verifyCommand(
  args: readonly string[],
  env: Env,
  write: (text: string) => void,
): Promise<ToolExit> {
  const { values, positionals } = parseOptions(args, COMMANDS.verify);
  const settings = serviceSettings(env, values.config);
  const verified = await verify({
    url: urlOf(positionals[0]),
    host: values.host,
    insecure: values.insecure === true,
    timeout: RESPONSE_TIMEOUT,
    userAgent: `haproxy-otel-spoa-verify/${VERSION}`,
    ...spopAccess(settings, values.spop),
    admin: adminAccess(settings, env, values.admin),
    patience: read({ '--wait': values.wait }, '--wait', WAIT, integerFrom(1, 3_600)) * 1_000,
  });
  if (values.json) {
    write(`${JSON.stringify(verified, null, 2)}\n`);
  } else {
    write(settings.file === undefined ? '' : `settings of the agent: ${settings.file}\n\n`);
    write(format(verified));
  }
  if (verified.traceId === undefined) return ToolExit.FAILED;
  const states = verified.steps.map(({ state }) => state);
  if (states.includes('failed')) return ToolExit.FOUND;
  return states.includes('unseen') ? ToolExit.PARTIAL : ToolExit.OK;
}

function urlOf(text: string | undefined): URL {
  if (text === undefined) throw new UsageError('a URL is needed, as http://127.0.0.1:8080/');
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) {
    throw new UsageError(`"${text}" is no URL: http://… or https://… is accepted`);
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
