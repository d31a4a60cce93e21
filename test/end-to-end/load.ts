import { connect, type Socket } from 'node:net';
import { until } from '../agent-process.ts';

export type LoadOptions = {
  readonly port: number;
  readonly path: string;
  readonly connections: number;
  /** A connection for each request. */
  readonly close?: boolean;
  /** Requests a second; as many as are answered when it is left out. */
  readonly rate?: number;
  /** Whether nothing is to be sent now, of what has a rate. */
  readonly isHeld?: () => boolean;
};

/** How often requests that are due are sent, in milliseconds. */
const TICK = 2;

/**
 * A steady load that counts: each connection sends one request after the other, and every answer is checked. Raw
 * sockets, because a client that costs more than HAProxy would be measured in its place.
 */
export class Load {
  answered = 0;
  /** What went wrong, each with its reason. */
  readonly failures: string[] = [];
  private readonly clients: Client[];
  private readonly timer: NodeJS.Timeout | undefined;
  private readonly started = performance.now();
  private stopped: number | undefined;
  private sent = 0;
  private running = true;

  constructor({ port, path, connections, rate, close, isHeld }: LoadOptions) {
    const more = close ? 'Connection: close\r\n' : '';
    const request = `GET ${path} HTTP/1.1\r\nHost: load\r\n${more}\r\n`;
    const done = (client: Client): void => {
      this.answered += 1;
      if (rate === undefined && this.running) client.send();
    };
    this.clients = Array.from(
      { length: connections },
      () => new Client(port, request, done, (reason) => this.failures.push(reason)),
    );
    if (rate === undefined) for (const client of this.clients) client.send();
    else this.timer = setInterval(() => this.sendDue(rate, isHeld?.() === true), TICK);
  }

  /** Requests a second that were answered so far. */
  get rate(): number {
    return (this.answered * 1000) / ((this.stopped ?? performance.now()) - this.started);
  }

  /** Waits until as many more answers came. */
  async more(count: number): Promise<void> {
    const enough = this.answered + count;
    await until(`${count} more answers`, () => this.answered >= enough, 120_000);
  }

  async stop(): Promise<void> {
    this.running = false;
    clearInterval(this.timer);
    this.stopped = performance.now();
    await until('the last answers', () => this.clients.every(({ busy }) => !busy));
    for (const client of this.clients) client.close();
  }

  private sendDue(rate: number, isHeld: boolean): void {
    const due = ((performance.now() - this.started) * rate) / 1000 - this.sent;
    let left = Math.floor(due);
    if (isHeld) {
      this.sent += left;
      return;
    }
    for (const client of this.clients) {
      if (left <= 0) return;
      if (client.busy) continue;
      client.send();
      this.sent += 1;
      left -= 1;
    }
  }
}

class Client {
  busy = false;
  private text = '';
  private reused = false;
  private socket: Socket;
  private readonly port: number;
  private readonly request: string;
  private readonly done: (client: Client) => void;
  private readonly failed: (reason: string) => void;

  constructor(
    port: number,
    request: string,
    done: (client: Client) => void,
    failed: (reason: string) => void,
  ) {
    this.port = port;
    this.request = request;
    this.done = done;
    this.failed = failed;
    this.socket = this.connect();
  }

  send(): void {
    this.busy = true;
    this.socket.write(this.request);
  }

  close(): void {
    this.socket.destroy();
  }

  private connect(): Socket {
    const socket = connect(this.port, '127.0.0.1').setNoDelay(true);
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.data(text));
    socket.once('error', (error) => this.lost(error.message));
    // HAProxy closes connections that are idle when it is reloaded: the next request has a new one.
    socket.once('end', () => this.lost('closed before the answer'));
    return socket;
  }

  private lost(reason: string): void {
    // A persistent connection may close just as the next request is sent: every client sends it again.
    const again = this.busy && this.reused && this.text === '';
    if (this.busy && !again) this.failed(reason);
    this.busy = false;
    this.text = '';
    this.socket.destroy();
    this.reused = false;
    this.socket = this.connect();
    if (again) this.send();
  }

  private data(text: string): void {
    // On a machine so slow that some connections never had a request, HAProxy ends these by a 408.
    if (!this.busy) {
      this.lost('not asked for');
      return;
    }
    this.text += text;
    const head = this.text.indexOf('\r\n\r\n');
    if (head === -1) return;
    const length = Number(/content-length: (\d+)/i.exec(this.text)?.[1] ?? 0);
    if (this.text.length < head + 4 + length) return;
    const closes = /connection: close/i.test(this.text.slice(0, head));
    if (!this.text.startsWith('HTTP/1.1 200')) this.failed(this.text.slice(0, 80));
    this.text = '';
    this.busy = false;
    this.reused = true;
    if (closes) {
      this.reused = false;
      this.socket.removeAllListeners('end').destroy();
      this.socket = this.connect();
    }
    this.done(this);
  }
}
