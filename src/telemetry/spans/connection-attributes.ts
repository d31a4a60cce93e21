import {
  ATTR_CLIENT_ADDRESS,
  ATTR_CLIENT_PORT,
  ATTR_NETWORK_PEER_ADDRESS,
  ATTR_NETWORK_PEER_PORT,
  ATTR_NETWORK_TRANSPORT,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
  NETWORK_TRANSPORT_VALUE_TCP,
  NETWORK_TRANSPORT_VALUE_UNIX,
} from '@opentelemetry/semantic-conventions';
import type { HopRecord } from '../../records/record.ts';
import type { Outcome } from '../../records/termination.ts';
import {
  type AttributeSink,
  endAttributes,
  HaproxyAttribute,
  set,
  type TailPolicy,
} from '../attributes.ts';

/** Of a connection that carried no request that HAProxy could see: `mode tcp`, or a failed handshake. */
export function connectionAttributes(
  sink: AttributeSink,
  record: HopRecord,
  { fault, cause }: Outcome,
  tailPolicy: TailPolicy | undefined,
): void {
  const { client, peer, local, server, phases, retries } = record;
  sink.attribute(
    ATTR_NETWORK_TRANSPORT,
    peer.unix ? NETWORK_TRANSPORT_VALUE_UNIX : NETWORK_TRANSPORT_VALUE_TCP,
  );
  set(sink, ATTR_CLIENT_ADDRESS, client.address);
  set(sink, ATTR_CLIENT_PORT, client.port);
  set(sink, ATTR_NETWORK_PEER_ADDRESS, peer.address);
  set(sink, ATTR_NETWORK_PEER_PORT, peer.port);
  set(sink, ATTR_SERVER_ADDRESS, local.address);
  set(sink, ATTR_SERVER_PORT, local.port);
  endAttributes(sink, record, { errorType: cause, fault, tailPolicy });
  set(sink, HaproxyAttribute.CONNECTION_ERROR, record.connectionError);
  set(sink, HaproxyAttribute.SERVER_ADDRESS, server?.address);
  set(sink, HaproxyAttribute.SERVER_PORT, server?.port);
  if (retries.count > 0) sink.attribute(HaproxyAttribute.RETRIES, retries.count);
  if (retries.redispatched) sink.attribute(HaproxyAttribute.REDISPATCHED, true);
  set(sink, HaproxyAttribute.BYTES_UPLOADED, record.requestSize);
  set(sink, HaproxyAttribute.BYTES_READ, record.responseSize);
  set(sink, HaproxyAttribute.PHASE_HANDSHAKE, phases.handshake);
  set(sink, HaproxyAttribute.PHASE_QUEUE, phases.queue);
  set(sink, HaproxyAttribute.PHASE_RETRY, phases.retry);
  set(sink, HaproxyAttribute.PHASE_CONNECT, phases.connect);
  for (const name of Object.keys(record.attributes)) set(sink, name, record.attributes[name]);
}
