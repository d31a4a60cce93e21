import { readFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';

type Pair = { readonly agent: Socket; receiver: Socket | undefined };

/** A TCP relay in front of a receiver that fails as networks do: without ending a connection. */
export class Relay {
  port = 0;
  onAccept = (): void => {};
  private readonly target: number;
  private readonly server: Server;
  private readonly pairs = new Set<Pair>();
  private readonly sockets = new Set<Socket>();
  private state: 'passing' | 'frozen' | 'silent' = 'passing';

  private constructor(target: number) {
    this.target = target;
    this.server = createServer({ pauseOnConnect: true }, (agent) => this.accept(agent));
  }

  static async start(target: number): Promise<Relay> {
    const relay = new Relay(target);
    await new Promise<void>((resolve) => relay.server.listen(0, '127.0.0.1', resolve));
    relay.port = (relay.server.address() as { port: number }).port;
    return relay;
  }

  /** Nothing is read or written any more; all connections stay open, and new ones are accepted. */
  freeze(): void {
    this.state = 'frozen';
    for (const { agent, receiver } of this.pairs) {
      agent.unpipe().pause();
      receiver?.unpipe().pause();
    }
  }

  /** Goes on where it froze. */
  thaw(): void {
    this.state = 'passing';
    for (const pair of this.pairs) this.pass(pair);
  }

  /** Connections so far lead nowhere, without a FIN or RST for the agent; new ones work. */
  forget(): void {
    for (const pair of this.pairs) {
      pair.agent.unpipe().pause();
      pair.receiver?.destroy();
    }
    this.pairs.clear();
  }

  /** Accepts, and never speaks: these connections never will. */
  beSilent(): void {
    this.state = 'silent';
  }

  /** New connections work. */
  speak(): void {
    this.state = 'passing';
  }

  /** Connections that the agent has open, by /proc. */
  get established(): number {
    const ESTABLISHED = '01';
    const remote = `:${this.port.toString(16).toUpperCase().padStart(4, '0')}`;
    return readFileSync('/proc/net/tcp', 'latin1')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , to, state]) => to?.endsWith(remote) && state === ESTABLISHED).length;
  }

  stop(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private accept(agent: Socket): void {
    this.hold(agent);
    this.onAccept();
    const pair: Pair = { agent, receiver: undefined };
    if (this.state === 'silent') return;
    this.pairs.add(pair);
    if (this.state === 'passing') this.pass(pair);
  }

  private pass(pair: Pair): void {
    const { agent } = pair;
    pair.receiver ??= this.hold(connect(this.target, '127.0.0.1'));
    agent.pipe(pair.receiver).pipe(agent);
  }

  private hold(socket: Socket): Socket {
    this.sockets.add(socket);
    return socket.on('error', () => {}).on('close', () => this.sockets.delete(socket));
  }
}
