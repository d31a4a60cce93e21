import type { AdminConfig } from '../admin/config.ts';
import { formatAddress, isLoopback, type ListenAddress } from '../listen-address.ts';
import { UsageError } from '../settings.ts';
import { credential, readToken } from './credentials.ts';
import type { SettingsReader } from './reader.ts';

/** The shortest token that cannot be guessed: 128 bits in base64. */
const LEAST_TOKEN = 22;

export function readAdmin(
  settings: SettingsReader,
  inherited: ListenAddress | undefined,
): AdminConfig | undefined {
  const set = settings.read('HAPROXY_OTEL_ADMIN');
  const tokenFile =
    settings.read('HAPROXY_OTEL_ADMIN_TOKEN_FILE') ?? credential(settings.env, 'otlp_admin_token');
  const hosts = settings.read('HAPROXY_OTEL_ADMIN_HOSTS') ?? [];
  const traceUrl = settings.read('HAPROXY_OTEL_TRACE_URL');
  const where = inherited ?? set;
  const isDefault = inherited === undefined && settings.text('HAPROXY_OTEL_ADMIN') === undefined;
  if (where === 'off') return undefined;
  if (where.kind === 'tcp' && !isLoopback(where.host) && tokenFile === undefined) {
    throw new UsageError(
      `HAPROXY_OTEL_ADMIN is "${formatAddress(where)}": beyond loopback and unix sockets HAPROXY_OTEL_ADMIN_TOKEN_FILE is needed`,
    );
  }
  const token =
    tokenFile &&
    readToken(tokenFile, `HAPROXY_OTEL_ADMIN_TOKEN_FILE is "${tokenFile}"`, LEAST_TOKEN);
  return { address: where, optional: isDefault, token, hosts, traceUrl };
}
