import type { FieldValues } from './field-values.ts';
import { peerAt } from './fields.ts';
import type { Peer, Server } from './record.ts';
import { Field } from './table.ts';

/** The size of the cache. */
const MAX_KNOWN = 256;

/** Returns the same object for all records of a server. */
export class ServerCache {
  private readonly known = new Map<string, Server>();
  private last: Server | undefined;

  /** The server that was chosen; what stands in its place is in angle brackets. */
  read(values: FieldValues): Server | undefined {
    const name = values.text(Field.server);
    if (name === undefined || name.startsWith('<')) return undefined;
    const peer = peerAt(values, Field.server_address, Field.server_port);
    return this.get(name, peer, values.text(Field.server_tls) === '1');
  }

  private get(name: string, peer: Peer, tls: boolean): Server {
    const server = this.last?.name === name ? this.last : this.known.get(name);
    if (server !== undefined && isSame(server, peer, tls)) {
      this.last = server;
      return server;
    }
    const { address, port, unix } = peer;
    const made = { name, address, port, unix, tls };
    if (this.known.size === MAX_KNOWN) this.known.clear();
    this.known.set(name, made);
    this.last = made;
    return made;
  }
}

function isSame(server: Server, { address, port, unix }: Peer, tls: boolean): boolean {
  return (
    server.address === address && server.port === port && server.unix === unix && server.tls === tls
  );
}
