import type { Duplex } from 'node:stream';
import { FrameType, StatusCode } from './constants.ts';
import { decodeDisconnect, decodeHaproxyHello, NotifyReader, readFrameHead } from './decode.ts';
import { AckWriter, writeAgentDisconnect, writeAgentHello } from './encode.ts';
import { SpopError } from './error.ts';
import { type Agreement, negotiate } from './handshake.ts';
import { Reader } from './reader.ts';
import { FrameSplitter } from './splitter.ts';
import { Writer } from './writer.ts';

/** Reads one NOTIFY and adds the actions of its ACK. Neither argument is valid after the call. */
export type NotifyHandler = (notify: NotifyReader, ack: AckWriter) => void;

export type ConnectionLimits = {
  /** The largest frame accepted and announced, in bytes. */
  readonly maxFrameSize: number;
  /** From connect to a complete HAPROXY-HELLO, in milliseconds. */
  readonly helloTimeout: number;
  /** Unread output, in bytes, at which a peer that does not read is closed. */
  readonly maxUnread: number;
};

/** Why a connection ended; emitted once per connection. */
export type ConnectionEnd =
  | { readonly reason: 'healthcheck' | 'closed' | 'stopped' | 'handed over' }
  | {
      readonly reason: 'disconnected';
      readonly status: number;
      readonly message: string;
      /** Milliseconds since the last NOTIFY; 0 where one came in the same chunk. */
      readonly idle: number;
    }
  | { readonly reason: 'protocol'; readonly status: StatusCode; readonly message: string }
  | { readonly reason: 'unread'; readonly bytes: number }
  | { readonly reason: 'socket'; readonly message: string };

export type ConnectionEvents = {
  /** A HAPROXY-HELLO was accepted and is not answered yet: `fail` answers it with a DISCONNECT instead. */
  readonly onOffer?: (agreement: Agreement) => void;
  readonly onHello?: (agreement: Agreement) => void;
  readonly onEnd?: (end: ConnectionEnd) => void;
  /** A chunk's NOTIFYs were answered, as many, all in one write this many milliseconds after it was read. */
  readonly onAnswered?: (notifies: number, milliseconds: number) => void;
};

/** What another process needs in order to read on where this one ended. */
export type ConnectionState = {
  /** Undefined before the HAPROXY-HELLO. */
  readonly agreement: Agreement | undefined;
  /** The beginning of a frame. */
  readonly unread: Uint8Array;
};

type State = 'hello' | 'open' | 'ended';

/** The timeout for a peer to read the last frame and close, in milliseconds. */
const LINGER = 1000;

/** One SPOP connection over any duplex stream: handshake, NOTIFY to ACK, DISCONNECT both ways. */
export class Connection {
  /** Whether there was a NOTIFY, or it was another process that read the first ones. */
  isUsed: boolean;
  private state: State = 'hello';
  private agreement: Agreement | undefined;
  /** NOTIFYs of the chunk that is being read. */
  private answered = 0;
  /** When the last NOTIFY, or else the HAPROXY-HELLO, was answered. */
  private lastAnswer = 0;
  private readonly stream: Duplex;
  private readonly handler: NotifyHandler;
  private readonly limits: ConnectionLimits;
  private readonly events: ConnectionEvents;
  private readonly splitter: FrameSplitter;
  private readonly reader = new Reader();
  private readonly notify = new NotifyReader(this.reader);
  private readonly out = new Writer();
  private readonly ack = new AckWriter(this.out);
  private readonly helloTimer: NodeJS.Timeout | undefined;
  private readonly onFrame = (buffer: Buffer, start: number, end: number): void =>
    this.frame(buffer, start, end);

  constructor(
    stream: Duplex,
    handler: NotifyHandler,
    limits: ConnectionLimits,
    events: ConnectionEvents = {},
    former?: ConnectionState,
  ) {
    this.stream = stream;
    this.handler = handler;
    this.limits = limits;
    this.events = events;
    this.agreement = former?.agreement;
    this.isUsed = former !== undefined;
    // What was agreed on holds, whatever the limit is now.
    const agreed = this.agreement?.maxFrameSize ?? 0;
    this.splitter = new FrameSplitter(Math.max(limits.maxFrameSize, agreed));
    if (this.agreement === undefined) this.helloTimer = this.startHelloTimer();
    else this.open(this.agreement);
    if (former !== undefined) this.data(Buffer.from(former.unread));
    stream.on('data', (chunk: Buffer) => this.data(chunk));
    stream.on('end', () => this.end({ reason: 'closed' }));
    stream.on('close', () => this.end({ reason: 'closed' }));
    stream.on('error', (error: Error) => this.end({ reason: 'socket', message: error.message }));
  }

  /** Milliseconds since the last NOTIFY, or else the HAPROXY-HELLO, was answered. */
  get idle(): number {
    return performance.now() - this.lastAnswer;
  }

  /**
   * Lets go of the stream without a word, once what was read is answered.
   *
   * @returns undefined where the connection has ended
   */
  release(): ConnectionState | undefined {
    if (this.state === 'ended') return undefined;
    this.state = 'ended';
    clearTimeout(this.helloTimer);
    this.events.onEnd?.({ reason: 'handed over' });
    return { agreement: this.agreement, unread: this.splitter.rest() };
  }

  /** Answers what was read, sends DISCONNECT with status 0 and closes. */
  stop(): void {
    if (this.state === 'ended') return;
    writeAgentDisconnect(this.out, StatusCode.NORMAL, 'agent is stopping');
    this.end({ reason: 'stopped' });
  }

  /** Sends DISCONNECT with the error's status and closes. */
  fail(error: SpopError): void {
    if (this.state === 'ended') return;
    writeAgentDisconnect(this.out, error.status, error.message);
    this.end({ reason: 'protocol', status: error.status, message: error.message });
  }

  private helloTimedOut(): void {
    if (this.state !== 'hello') return;
    const { helloTimeout } = this.limits;
    this.fail(new SpopError(StatusCode.TIMEOUT, `no HAPROXY-HELLO within ${helloTimeout} ms`));
  }

  private data(chunk: Buffer): void {
    if (this.state === 'ended') return;
    const { onAnswered } = this.events;
    const started = onAnswered === undefined ? 0 : performance.now();
    this.answered = 0;
    try {
      this.splitter.push(chunk, this.onFrame);
    } catch (error) {
      if (!(error instanceof SpopError)) throw error;
      this.fail(error);
    }
    this.flush();
    if (this.answered === 0) return;
    this.lastAnswer = performance.now();
    this.isUsed = true;
    onAnswered?.(this.answered, this.lastAnswer - started);
  }

  private frame(buffer: Buffer, start: number, end: number): void {
    if (this.state === 'ended') return;
    this.reader.reset(buffer, start, end);
    const head = readFrameHead(this.reader);
    if (this.state === 'hello') {
      if (head.type !== FrameType.HAPROXY_HELLO) {
        throw new SpopError(
          StatusCode.INVALID_FRAME,
          `frame type ${head.type} where HAPROXY-HELLO was expected`,
        );
      }
      this.hello();
      return;
    }
    switch (head.type) {
      case FrameType.NOTIFY:
        if (!head.aborted) this.answer();
        return;
      case FrameType.HAPROXY_DISCONNECT: {
        const { status, message } = decodeDisconnect(this.reader);
        writeAgentDisconnect(this.out, StatusCode.NORMAL, 'bye');
        const idle = this.answered > 0 ? 0 : this.idle;
        this.end({ reason: 'disconnected', status, message, idle });
        return;
      }
      case FrameType.HAPROXY_HELLO:
        throw new SpopError(StatusCode.INVALID_FRAME, 'second HAPROXY-HELLO');
      default:
        // Section 3.2.2: unknown frames may be silently skipped.
        return;
    }
  }

  private hello(): void {
    const agreement = negotiate(decodeHaproxyHello(this.reader), this.limits.maxFrameSize);
    clearTimeout(this.helloTimer);
    this.events.onOffer?.(agreement);
    if (this.state === 'ended') return;
    writeAgentHello(this.out, agreement);
    this.open(agreement);
    if (agreement.healthcheck) this.end({ reason: 'healthcheck' });
  }

  private open(agreement: Agreement): void {
    this.agreement = agreement;
    this.state = 'open';
    this.lastAnswer = performance.now();
    this.events.onHello?.(agreement);
  }

  private startHelloTimer(): NodeJS.Timeout {
    // A process that was held up runs its timers before it reads what came meanwhile: an immediate runs after that.
    return setTimeout(() => setImmediate(() => this.helloTimedOut()), this.limits.helloTimeout);
  }

  private answer(): void {
    this.notify.open();
    this.ack.begin(this.notify);
    try {
      this.handler(this.notify, this.ack);
      // What the handler left unread is checked too: a frame is consumed exactly.
      while (this.notify.nextMessage());
    } catch (error) {
      this.out.abandonFrame();
      throw error;
    }
    this.ack.end();
    this.answered += 1;
  }

  /** All frames of a chunk leave in one write. */
  private flush(): void {
    if (this.out.position === 0 || this.stream.destroyed || this.stream.writableEnded) return;
    this.stream.write(this.out.bytes());
    if (this.stream.writableLength === 0) {
      this.out.clear();
      return;
    }
    this.out.release();
    if (this.stream.writableLength > this.limits.maxUnread) {
      const bytes = this.stream.writableLength;
      this.end({ reason: 'unread', bytes });
      this.stream.destroy();
    }
  }

  private end(end: ConnectionEnd): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    clearTimeout(this.helloTimer);
    this.flush();
    if (!this.stream.destroyed) {
      this.stream.end();
      // Reading on lets the peer's last bytes drain: closing with unread input would reset the connection and could
      // discard our DISCONNECT.
      const linger = setTimeout(() => this.stream.destroy(), LINGER);
      this.stream.once('close', () => clearTimeout(linger));
    }
    this.events.onEnd?.(end);
  }
}
