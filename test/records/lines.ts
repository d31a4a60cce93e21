import { createHash } from 'node:crypto';

/** Fields of a line of the shipped log format, as HAProxy prints them. */
export const FIELDS = {
  stopping: 0,
  status: 200,
  termination_state: '----',
  retries: '0',
  frontend: 'www',
  backend: 'app',
  server: 'app1',
  end: 1_795_418_260_853_713,
  accepted: 1_795_418_260_807,
  received: 1_795_418_260_807_572,
  answered: 1_795_418_260_807_872,
  wait: 0,
  Th: 0,
  Ti: 0,
  TR: 0,
  Tw: 0,
  Tc: 1,
  Tr: 44,
  Td: 0,
  client_address: '192.0.2.7',
  client_port: '43626',
  frontend_address: '198.51.100.1',
  frontend_port: '8080',
  server_address: '10.0.0.9',
  server_port: '8090',
  server_tls: '-',
  bytes_uploaded: 97,
  bytes_read: 103,
  method: 'GET',
  protocol: 'HTTP/1.1',
  protocol_major: 1,
  route: '-',
  host: 'shop.example',
  request_id: 'req-1',
  tracestate: '-',
  pathq: '/a',
  user_agent: 'tester/1.0',
  attributes: {},
} as const;

/** A hop with ids of its own for each number. */
export function hopOf(index: number, flags = '03'): string {
  const ids = createHash('sha256').update(String(index)).digest('hex');
  return `${ids.slice(0, 32)}-${ids.slice(32, 48)}-${flags}-${ids.slice(48, 64)}`;
}

/** A record of the shipped shape, with these fields changed. */
export function recordLine(
  hop: string = hopOf(1),
  changes: Readonly<Record<string, unknown>> = {},
): string {
  const { attributes, ...fields } = { ...FIELDS, ...changes };
  const trace_id = hop.slice(0, 32);
  const span_id = hop.slice(33, 49);
  return JSON.stringify({ hop, trace_id, span_id, ...fields, attributes });
}

/** As HAProxy's rings send it: `log-proto octet-count`. */
export function octetCounted(line: string): string {
  return `${Buffer.byteLength(line)} ${line}`;
}
