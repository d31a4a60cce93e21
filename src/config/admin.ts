import type { AdminConfig } from '../admin/config.ts';
import { DEFAULT_ADDRESSES, formatAddress, isLoopback, type ListenAddress } from '../listen.ts';
import {
  addressOrOff,
  ConfigError,
  type Env,
  file,
  hostNames,
  read,
  traceUrlTemplate,
} from '../settings.ts';
import { credential, readToken } from './credentials.ts';

/** The shortest token that cannot be guessed: 128 bits in base64. */
const LEAST_TOKEN = 22;

export function readAdmin(env: Env, given: ListenAddress | undefined): AdminConfig | undefined {
  const set = read(env, 'HAPROXY_OTEL_ADMIN', undefined, addressOrOff);
  const tokenFile = read(
    env,
    'HAPROXY_OTEL_ADMIN_TOKEN_FILE',
    credential(env, 'otlp_admin_token'),
    file,
  );
  const hosts = read(env, 'HAPROXY_OTEL_ADMIN_HOSTS', [], hostNames);
  const traceUrl = read(env, 'HAPROXY_OTEL_TRACE_URL', undefined, traceUrlTemplate);
  const chosen = given ?? set;
  const where = chosen ?? DEFAULT_ADDRESSES.admin;
  if (where === 'off') return undefined;
  if (where.kind === 'tcp' && !isLoopback(where.host) && tokenFile === undefined) {
    throw new ConfigError(
      `HAPROXY_OTEL_ADMIN is "${formatAddress(where)}": beyond loopback and unix sockets HAPROXY_OTEL_ADMIN_TOKEN_FILE is needed`,
    );
  }
  const token =
    tokenFile &&
    readToken(tokenFile, `HAPROXY_OTEL_ADMIN_TOKEN_FILE is "${tokenFile}"`, LEAST_TOKEN);
  return { address: where, optional: chosen === undefined, token, hosts, traceUrl };
}
