import { type ClientRequest, Agent as HttpAgent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { until } from '../agent-process.ts';
import { serverTimingTraceId } from '../end-to-end/chain.ts';
import type { Account, Sent } from './account.ts';
import type { Random } from './random.ts';

/** Nothing that a fault does may hold up a request for so long, on a machine that is busy. Milliseconds. */
const TIMEOUT = 60_000;

/** Requests under way: a machine that has no time for more is not asked more. */
const MOST_OPEN = 100;

/** How often requests that are due are sent, in milliseconds. */
const TICK = 5;

/** The header of an answer that has the process of HAProxy. */
export const WORKER = 'x-worker';

type Kind = (clients: Clients, sent: Sent) => void;

/** What clients do, with how many of a hundred. The path of a request begins with it. */
const KINDS: Readonly<Record<string, readonly [share: number, kind: Kind]>> = {
  kept: [70, (clients, sent) => clients.get(sent, { agent: clients.kept })],
  new: [12, (clients, sent) => clients.get(sent, { agent: false })],
  slow: [5, (clients, sent) => clients.get(sent, { agent: clients.kept, after: 600 })],
  // A server that refuses, then one that does not: HAProxy retries after a second.
  refused: [2, (clients, sent) => clients.get(sent, { agent: false })],
  abort: [4, (clients, sent) => clients.get(sent, { agent: false, after: 500, leave: 100 })],
  trickle: [3, (clients, sent) => clients.trickle(sent)],
  halfclose: [2, (clients, sent) => clients.halfClose(sent)],
  upgrade: [2, (clients, sent) => clients.upgrade(sent)],
};

const DRAWN = Object.entries(KINDS).flatMap(([name, [share]]) => Array<string>(share).fill(name));

type How = {
  readonly agent: HttpAgent | false;
  /** Milliseconds until the server answers. */
  readonly after?: number;
  /** Milliseconds until the client leaves. */
  readonly leave?: number;
};

/** Clients of every manner at a steady rate. Requests that failed are in the account. */
export class Clients {
  readonly kept = new HttpAgent({ keepAlive: true, maxSockets: 32 });
  account: Account;
  private readonly port: number;
  private random: Random;
  private timer: NodeJS.Timeout | undefined;
  private count = 0;
  private open = 0;

  constructor(port: number, account: Account, random: Random) {
    this.port = port;
    this.account = account;
    this.random = random;
  }

  start(rate: number, account: Account, random: Random): void {
    this.account = account;
    this.random = random;
    const started = performance.now();
    let sent = 0;
    this.timer = setInterval(() => {
      for (; sent < ((performance.now() - started) * rate) / 1000; sent += 1) {
        if (this.open < MOST_OPEN) this.send();
      }
    }, TICK);
  }

  /** Resolves when the last request is over. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    await until('the last requests', () => this.open === 0, TIMEOUT * 2);
  }

  close(): void {
    clearInterval(this.timer);
    this.kept.destroy();
  }

  get(sent: Sent, { agent, after = 0, leave }: How): void {
    const outgoing = request(
      {
        host: '127.0.0.1',
        port: this.port,
        path: after === 0 ? sent.path : `${sent.path}?after=${after}`,
        agent,
        headers: headersOf(sent),
        timeout: TIMEOUT,
      },
      (incoming) => {
        incoming.once('error', (error) => this.end(sent, error.message));
        incoming.resume().once('end', () => {
          sent.traceId = serverTimingTraceId(incoming.headers['server-timing']);
          sent.worker = String(incoming.headers[WORKER]);
          const { statusCode } = incoming;
          this.end(sent, statusCode === 200 ? undefined : `status ${statusCode}`);
        });
      },
    );
    outgoing.once('timeout', () => outgoing.destroy(new Error('no answer in 60 s')));
    outgoing.once('error', (error) => {
      if (sent.ended !== undefined) return;
      if (isClosedBefore(outgoing, error)) this.get(sent, { agent: false, after });
      else this.end(sent, error.message);
    });
    outgoing.end();
    if (leave === undefined) return;
    setTimeout(() => {
      if (sent.ended !== undefined) return;
      sent.left = true;
      this.end(sent, undefined);
      outgoing.destroy();
    }, leave);
  }

  /** A few bytes at a time. */
  trickle(sent: Sent): void {
    const bytes = head(sent);
    const socket = this.raw(sent, 'HTTP/1.1 200');
    let place = 0;
    const timer = setInterval(() => {
      if (place >= bytes.length || socket.destroyed) return clearInterval(timer);
      socket.write(bytes.slice(place, place + 16));
      place += 16;
    }, 20);
  }

  /** With `abortonclose` HAProxy may end it before the answer, which is as right. */
  halfClose(sent: Sent): void {
    sent.left = true;
    this.raw(sent, '').end(head(sent));
  }

  upgrade(sent: Sent): void {
    const socket = this.raw(sent, 'HTTP/1.1 101');
    socket.once('data', () => {
      socket.write('still there');
      setTimeout(() => socket.end(), 400);
    });
    socket.write(head(sent, UPGRADE));
  }

  private send(): void {
    const name = DRAWN[this.random.between(0, DRAWN.length - 1)] ?? 'kept';
    const parent =
      this.random.next() < 0.5
        ? undefined
        : { traceId: this.random.hex(32), spanId: this.random.hex(16) };
    this.count += 1;
    this.open += 1;
    KINDS[name]?.[1](this, this.account.begin(`/${name}/${this.count}`, parent));
  }

  private end(sent: Sent, failure: string | undefined): void {
    if (sent.ended !== undefined) return;
    sent.ended = performance.now();
    sent.failure = failure;
    this.open -= 1;
  }

  /** A connection of its own, over when the peer closes it. @param begins what an answer begins with */
  private raw(sent: Sent, begins: string): Socket {
    let text = '';
    const socket = connect({ port: this.port, host: '127.0.0.1', allowHalfOpen: true });
    socket.setEncoding('latin1').setTimeout(TIMEOUT, () => {
      socket.destroy(new Error('no answer in 60 s'));
    });
    socket.on('data', (part: string) => {
      text += part;
    });
    socket.once('error', (error) => this.end(sent, error.message));
    socket.once('end', () => {
      sent.traceId = serverTimingTraceId(text);
      sent.worker = new RegExp(`^${WORKER}: (\\d+)`, 'm').exec(text)?.[1] ?? '';
      this.end(sent, text.startsWith(begins) ? undefined : `answered "${text.slice(0, 40)}"`);
      socket.destroy();
    });
    return socket;
  }
}

const UPGRADE =
  'Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';

/** A persistent connection may close just as the next request is sent: every client sends it again. */
function isClosedBefore(outgoing: ClientRequest, { message }: Error): boolean {
  return outgoing.reusedSocket && /ECONNRESET|EPIPE|socket hang up/.test(message);
}

function headersOf({ parent }: Sent): Record<string, string> {
  return parent === undefined ? {} : { traceparent: `00-${parent.traceId}-${parent.spanId}-01` };
}

function head(sent: Sent, more = 'Connection: close\r\n'): string {
  const headers = Object.entries(headersOf(sent)).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${sent.path} HTTP/1.1\r\nHost: chaos\r\n${headers.join('')}${more}\r\n`;
}
