import type { Peer, Server } from './record.ts';

/** Servers that are remembered at a time. */
const MAX_KNOWN = 256;

/** One object for each server, whatever the number of its records. */
export class ServerCache {
  private readonly known = new Map<string, Server>();
  private last: Server | undefined;

  get(name: string, peer: Peer, tls: boolean): Server {
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
