import { formatAddress, isLoopback, type ListenAddress } from '../listen-address.ts';
import { type ListenerTlsConfig, NEEDS_TLS } from '../listener-tls.ts';
import { UsageError } from '../settings.ts';
import type { SettingsReader } from './reader.ts';

const NAMES = [
  'HAPROXY_OTEL_TLS_CERTIFICATE',
  'HAPROXY_OTEL_TLS_KEY',
  'HAPROXY_OTEL_TLS_CLIENT_CA',
] as const;

/** @throws UsageError where one is set and another is not, or cannot be read */
export function readListenerTls(settings: SettingsReader): ListenerTlsConfig | undefined {
  const [certificate, key, clientCa] = NAMES.map((name) => settings.read(name));
  if (certificate !== undefined && key !== undefined && clientCa !== undefined) {
    return { certificate, key, clientCa };
  }
  const [set] = NAMES.filter((name) => settings.text(name) !== undefined);
  if (set === undefined) return undefined;
  const missing = NAMES.filter((name) => settings.text(name) === undefined);
  throw new UsageError(
    `${set} is set: ${missing.join(' and ')} ${missing.length > 1 ? 'have' : 'has'} to be, too`,
  );
}

/** @throws UsageError for an address that other hosts reach, where anybody could talk to the listener */
export function readAddress(
  settings: SettingsReader,
  name: 'HAPROXY_OTEL_SPOP' | 'HAPROXY_OTEL_RECORDS',
  tls: ListenerTlsConfig | undefined,
): ListenAddress {
  const address = settings.read(name);
  if (tls === undefined && address.kind === 'tcp' && !isLoopback(address.host)) {
    throw new UsageError(`${name} is "${formatAddress(address)}": ${NEEDS_TLS}`);
  }
  return address;
}
