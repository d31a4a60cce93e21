import { readFileSync } from 'node:fs';
import { decodePercent, UsageError } from '../settings.ts';
import type { Signal } from '../telemetry/config.ts';
import { credential, readToken } from './credentials.ts';
import type { SettingsReader } from './reader.ts';

/**
 * Headers of export calls, each source before the one above it: variables, the token and the file with headers
 * that systemd put there for this service, or the file that is named.
 *
 * @throws UsageError that names where the flaw is, and never contains a value: these are secrets
 */
export function readOtlpHeaders(settings: SettingsReader, signal: Signal): Record<string, string> {
  const token = credential(settings.env, 'otlp_token');
  const headers =
    settings.read('HAPROXY_OTEL_OTLP_HEADERS_FILE') ?? credential(settings.env, 'otlp_headers');
  return {
    ...readVariables(settings, signal),
    ...(token === undefined ? {} : { authorization: `Bearer ${readToken(token, token)}` }),
    ...(headers === undefined ? {} : parseHeadersFile(headers)),
  };
}

function readVariables(common: SettingsReader, signal: Signal): Record<string, string> {
  const headers: Record<string, string> = {};
  const name = 'OTEL_EXPORTER_OTLP_HEADERS';
  // Both are sent: where the signal has none of its own, the common ones are read twice.
  for (const settings of [common, common.of(signal)]) {
    settings
      .text(name)
      ?.split(',')
      .forEach((pair, index) => {
        if (pair.trim() === '') return;
        addPair(headers, pair, true, `${settings.nameOf(name)}, item ${index + 1}`);
      });
  }
  return headers;
}

/** One `name=value` or `name: value` a line; empty lines and those that start with # are skipped. */
function parseHeadersFile(path: string): Record<string, string> {
  const headers: Record<string, string> = {};
  readFileSync(path, 'utf8')
    .split('\n')
    .forEach((line, index) => {
      if (line.trim() === '' || line.trimStart().startsWith('#')) return;
      addPair(headers, line.replace(/^([^:=\s]+):\s*/, '$1='), false, `${path}, line ${index + 1}`);
    });
  return headers;
}

/** Header names as gRPC accepts them: lower case, and a value of visible characters and spaces. */
function addPair(
  headers: Record<string, string>,
  pair: string,
  encoded: boolean,
  where: string,
): void {
  const equals = pair.indexOf('=');
  const name = pair.slice(0, equals).trim().toLowerCase();
  let value = pair.slice(equals + 1).trim();
  if (encoded) value = decodePercent(value) ?? '\0';
  if (equals < 1 || !/^[0-9a-z_.-]+$/.test(name) || !/^[\x20-\x7e]*$/.test(value)) {
    throw new UsageError(`${where}: name=value is accepted, as gRPC metadata allows it`);
  }
  headers[name] = value;
}
