import { readFileSync } from 'node:fs';
import { type AdminConfig, isLoopback } from '../admin/config.ts';
import { formatAddress, type ListenAddress } from '../listen.ts';
import {
  addressOrOff,
  ConfigError,
  type Env,
  file,
  hostNames,
  read,
  tcp,
  traceUrlTemplate,
} from '../settings.ts';

export function readAdmin(env: Env, given: ListenAddress | undefined): AdminConfig | undefined {
  const set = read(env, 'HAPROXY_OTEL_ADMIN', undefined, addressOrOff);
  const tokenFile = read(env, 'HAPROXY_OTEL_ADMIN_TOKEN_FILE', undefined, file);
  const hosts = read(env, 'HAPROXY_OTEL_ADMIN_HOSTS', [], hostNames);
  const traceUrl = read(env, 'HAPROXY_OTEL_TRACE_URL', undefined, traceUrlTemplate);
  const chosen = given ?? set;
  const where = chosen ?? tcp('127.0.0.1', 12_347);
  if (where === 'off') return undefined;
  if (where.kind === 'tcp' && !isLoopback(where.host) && tokenFile === undefined) {
    throw new ConfigError(
      `HAPROXY_OTEL_ADMIN is "${formatAddress(where)}": beyond loopback and unix sockets HAPROXY_OTEL_ADMIN_TOKEN_FILE is needed`,
    );
  }
  const token = tokenFile === undefined ? undefined : readToken(tokenFile);
  return { address: where, optional: chosen === undefined, token, hosts, traceUrl };
}

/** The shortest token that cannot be guessed: 128 bits in base64. */
const LEAST_TOKEN = 22;

/** The value is never told. */
function readToken(path: string): string {
  const token = readFileSync(path, 'utf8').trim();
  if (token.length >= LEAST_TOKEN && /^[\x21-\x7e]+$/.test(token)) return token;
  throw new ConfigError(
    `HAPROXY_OTEL_ADMIN_TOKEN_FILE is "${path}": one line of ${LEAST_TOKEN} or more visible characters is accepted`,
  );
}
