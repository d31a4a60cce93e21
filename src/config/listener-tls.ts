import { formatAddress, isLoopback, type ListenAddress } from '../listen.ts';
import { type ListenerTlsConfig, NEEDS_TLS } from '../listener-tls.ts';
import { ConfigError, type Env, file, read } from '../settings.ts';

const NAMES = {
  certificate: 'HAPROXY_OTEL_TLS_CERTIFICATE',
  key: 'HAPROXY_OTEL_TLS_KEY',
  clientCa: 'HAPROXY_OTEL_TLS_CLIENT_CA',
} as const;

/** @throws ConfigError where one is set and another is not, or cannot be read */
export function readListenerTls(env: Env): ListenerTlsConfig | undefined {
  const [certificate, key, clientCa] = Object.values(NAMES).map((name) =>
    read(env, name, undefined, file),
  );
  if (certificate !== undefined && key !== undefined && clientCa !== undefined) {
    return { certificate, key, clientCa };
  }
  const [set] = Object.values(NAMES).filter((name) => env[name]?.trim());
  if (set === undefined) return undefined;
  const missing = Object.values(NAMES).filter((name) => !env[name]?.trim());
  throw new ConfigError(`${set} is set: ${missing.join(' and ')} has to be, too`);
}

/** @throws ConfigError for an address that other hosts reach, where anybody could talk to the listener */
export function needTls(
  name: string,
  address: ListenAddress,
  tls: ListenerTlsConfig | undefined,
): ListenAddress {
  if (tls === undefined && address.kind === 'tcp' && !isLoopback(address.host)) {
    throw new ConfigError(`${name} is "${formatAddress(address)}": ${NEEDS_TLS}`);
  }
  return address;
}
