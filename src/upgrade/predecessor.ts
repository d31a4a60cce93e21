import { closeSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Config } from '../config/config.ts';
import { received } from '../descriptors.ts';
import { formatAddress, type InheritedSocket, type ListenAddress } from '../listen-address.ts';
import { socketInPlace } from '../read-in-place.ts';
import type { RingConnection } from '../records/record-connection.ts';
import type { Env } from '../settings.ts';
import type { ConnectionState } from '../spop/connection.ts';
import {
  type FromSuccessor,
  type ListenerSockets,
  SOCKETS_VARIABLE,
  type ToSuccessor,
} from './messages.ts';

/** Who reads connections on. */
export type Adopter = {
  readonly spop: (socket: Socket, state: ConnectionState) => void;
  readonly records: (connection: RingConnection) => void;
};

/** How many connections were taken over. */
export type Adopted = { spop: number; records: number };

/** The agent that this process is to replace, from this one's side. */
export class Predecessor {
  private readonly listeners: readonly ListenerSockets[];
  private readonly messages: [ToSuccessor, unknown][] = [];
  private wake = (): void => {};
  private state: 'connected' | 'gone' = 'connected';

  private constructor(listeners: readonly ListenerSockets[]) {
    this.listeners = listeners;
    process.on('message', (message, handle) => {
      this.messages.push([message as ToSuccessor, handle]);
      this.wake();
    });
    process.once('disconnect', () => {
      this.state = 'gone';
      this.wake();
    });
    this.send({ type: 'started', pid: process.pid });
  }

  /** Undefined in a process that an administrator or a supervisor started. */
  static find(env: Env): Predecessor | undefined {
    const text = env[SOCKETS_VARIABLE];
    return text === undefined || process.send === undefined
      ? undefined
      : new Predecessor(JSON.parse(text));
  }

  /** Makes `config`'s listeners inherit sockets of the same addresses, and closes those that are not needed any more. */
  passSockets(config: Config): Config {
    const wanted = new Set<InheritedSocket>();
    const pass = <T extends ListenAddress>(
      listener: ListenerSockets['listener'],
      address: T,
    ): T => {
      const text = formatAddress(address);
      const found = this.listeners.find(
        (each) => each.listener === listener && each.address === text,
      );
      if (found === undefined) return address;
      for (const socket of found.sockets) wanted.add(socket);
      return { ...address, inherited: found.sockets };
    };
    const { spop, telemetry } = config;
    const admin = telemetry.admin && {
      ...telemetry.admin,
      address: pass('admin', telemetry.admin.address),
    };
    const records = pass('records', telemetry.records);
    const passed = {
      ...config,
      spop: pass('spop', spop),
      telemetry: { ...telemetry, records, admin },
    };
    for (const socket of this.listeners.flatMap(({ sockets }) => sockets)) {
      if (!wanted.has(socket)) closeSync(socket.fd);
    }
    return Object.freeze(passed);
  }

  /** Resolves when this process is to listen. @throws Error when the one before has ended, or wants no other any more */
  async ready(): Promise<void> {
    this.send({ type: 'ready' });
    const message = await this.next();
    if (message === undefined) throw new Error('the agent before this one has ended');
  }

  /** Resolves when there are no more connections. */
  async adopt(adopter: Adopter): Promise<Adopted> {
    this.send({ type: 'listening' });
    const adopted = { spop: 0, records: 0 };
    for (;;) {
      const [message, handle] = (await this.next()) ?? [];
      if (message?.type !== 'connection') return adopted;
      const { connection } = message;
      const behind = received(handle);
      if (connection.kind === 'spop') {
        adopter.spop(socketInPlace({ handle: behind }), connection.state);
      } else {
        adopter.records({ ...connection.connection, fd: behind.fd });
      }
      adopted[connection.kind] += 1;
      this.send({ type: 'adopted' });
    }
  }

  /** The one before may end. */
  done(): void {
    this.send({ type: 'done' });
  }

  /** Resolves when the one before knows why it is to go on. */
  async failed(reason: string): Promise<void> {
    if (this.state === 'gone') return;
    await new Promise<void>((resolve) =>
      process.send?.({ type: 'failed', reason } satisfies FromSuccessor, undefined, {}, () =>
        resolve(),
      ),
    );
    process.disconnect();
  }

  private send(message: FromSuccessor): void {
    // It may have ended: then this process is the agent all the same.
    if (this.state === 'connected') process.send?.(message, undefined, {}, () => {});
  }

  /** Undefined when the one before has ended. */
  private async next(): Promise<[ToSuccessor, unknown] | undefined> {
    while (this.messages.length === 0 && this.state === 'connected') {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    return this.messages.shift();
  }
}
