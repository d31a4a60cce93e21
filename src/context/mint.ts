import { DataType, Scope } from '../spop/constants.ts';
import type { NotifyReader } from '../spop/decode.ts';
import { type AckWriter, compileActions, compileSetVar } from '../spop/encode.ts';
import { writeHexByte } from './hex.ts';
import { CHILD_HOP_LENGTH, HopOffset, ROOT_HOP_LENGTH, writeOwnIds } from './hop.ts';
import { RandomIds } from './ids.ts';
import type { Sampler } from './sampling.ts';
import {
  EMPTY_TRACEPARENT,
  FLAGS_OFFSET,
  PARENT_ID_OFFSET,
  parseTraceparent,
  SPAN_ID_DIGITS,
  TRACE_ID_DIGITS,
  TRACE_ID_OFFSET,
  TraceFlag,
} from './traceparent.ts';
import { propagateTracestate } from './tracestate.ts';

/**
 * Messages and arguments of spoe/otel.conf. `tracestates` carries the second and further header
 * fields of a request that has several; it follows `mint` in the same NOTIFY.
 */
const MINT = Buffer.from('mint');
const TRACESTATES = Buffer.from('tracestates');
const TRACEPARENT = Buffer.from('traceparent');
const TRACEPARENT_COUNT = Buffer.from('traceparent_count');
const TRACESTATE = Buffer.from('tracestate');
const TRACESTATE_COUNT = Buffer.from('tracestate_count');

/** The variables of every answer, in the order in which they are set. */
const ROOT = compileActions(Scope.TRANSACTION, {
  hop: '-'.repeat(ROOT_HOP_LENGTH),
  traceparent: EMPTY_TRACEPARENT,
});
const CHILD = compileActions(Scope.TRANSACTION, {
  hop: '-'.repeat(CHILD_HOP_LENGTH),
  traceparent: EMPTY_TRACEPARENT,
});
const SET_TRACESTATE = compileSetVar(Scope.TRANSACTION, 'tracestate');

/** What became of the requests so far, each counted once. */
export type MintCounts = {
  /** The caller's trace was continued. */
  continued: number;
  /** There was no traceparent: a trace was started. */
  started: number;
  /** There was a traceparent that nobody may use, or several: a trace was started. */
  restarted: number;
  /** Of all these, how many were sampled. */
  sampled: number;
};

/** Answers one `mint` message: continues or starts the trace, decides, and sets the variables. */
export class Minter {
  readonly counts: MintCounts = { continued: 0, started: 0, restarted: 0, sampled: 0 };
  private readonly sampler: Sampler;
  private readonly ids = new RandomIds();

  /** Requests so far, whatever became of them. */
  get minted(): number {
    const { continued, started, restarted } = this.counts;
    return continued + started + restarted;
  }

  private asked = false;
  private traceparentStart = 0;
  private traceparentEnd = 0;
  private traceparentCount = 0;
  private tracestateCount = 0;
  /** Copies, and rare: only a caller that is a tracing system sends the header. */
  private readonly tracestates: Buffer[] = [];

  private readonly other: (notify: NotifyReader) => void;

  /** @param other takes the messages that are not about minting */
  constructor(sampler: Sampler, other: (notify: NotifyReader) => void = () => {}) {
    this.sampler = sampler;
    this.other = other;
  }

  /** A `NotifyHandler`: unknown arguments are passed over. */
  readonly handle = (notify: NotifyReader, ack: AckWriter): void => {
    this.forget();
    while (notify.nextMessage()) {
      const isMint = notify.named(MINT);
      if (isMint) this.asked = true;
      if (isMint || notify.named(TRACESTATES)) {
        while (notify.nextArgument()) this.take(notify);
      } else {
        this.other(notify);
      }
    }
    if (this.asked) this.answer(notify.buffer, ack);
  };

  private forget(): void {
    this.asked = false;
    this.traceparentStart = 0;
    this.traceparentEnd = 0;
    this.traceparentCount = 0;
    this.tracestateCount = 0;
    this.tracestates.length = 0;
  }

  private take(notify: NotifyReader): void {
    if (notify.type === DataType.NULL) return;
    const isText = notify.type === DataType.STRING;
    if (notify.named(TRACEPARENT)) {
      if (!isText) return;
      this.traceparentStart = notify.valueStart;
      this.traceparentEnd = notify.valueEnd;
    } else if (notify.named(TRACEPARENT_COUNT)) {
      this.traceparentCount = notify.smallInteger;
    } else if (notify.named(TRACESTATE)) {
      if (!isText) return;
      this.tracestates.push(
        Buffer.from(notify.buffer.subarray(notify.valueStart, notify.valueEnd)),
      );
    } else if (notify.named(TRACESTATE_COUNT)) {
      this.tracestateCount = notify.smallInteger;
    }
  }

  private answer(request: Buffer, ack: AckWriter): void {
    const parentFlags =
      this.traceparentCount > 1
        ? -1
        : parseTraceparent(request, this.traceparentStart, this.traceparentEnd);
    const continued = parentFlags >= 0;
    const actions = continued ? CHILD : ROOT;
    const start = ack.add(actions);
    const target = ack.out.buffer;
    const hop = start + (actions.values[0] ?? 0);
    const traceparent = start + (actions.values[1] ?? 0);

    const traceId = hop + HopOffset.TRACE_ID;
    if (continued) {
      const incoming = this.traceparentStart + TRACE_ID_OFFSET;
      request.copy(target, traceId, incoming, incoming + TRACE_ID_DIGITS);
      const parent = this.traceparentStart + PARENT_ID_OFFSET;
      request.copy(target, hop + HopOffset.PARENT_ID, parent, parent + SPAN_ID_DIGITS);
      this.counts.continued += 1;
    } else {
      this.ids.traceId(target, traceId);
      if (this.traceparentEnd > this.traceparentStart || this.traceparentCount > 1) {
        this.counts.restarted += 1;
      } else {
        this.counts.started += 1;
      }
    }
    const sampled = this.sampler(
      continued ? (parentFlags & TraceFlag.SAMPLED) !== 0 : undefined,
      target,
      traceId,
    );
    if (sampled) this.counts.sampled += 1;
    const random = continued ? parentFlags & TraceFlag.RANDOM : TraceFlag.RANDOM;
    const flags = random | (sampled ? TraceFlag.SAMPLED : 0);
    writeOwnIds(target, hop, flags, this.ids);

    const clientSpanId = hop + HopOffset.CLIENT_SPAN_ID;
    target.copyWithin(traceparent + TRACE_ID_OFFSET, traceId, traceId + TRACE_ID_DIGITS);
    target.copyWithin(traceparent + PARENT_ID_OFFSET, clientSpanId, clientSpanId + SPAN_ID_DIGITS);
    writeHexByte(target, traceparent + FLAGS_OFFSET, flags);

    if (continued && this.tracestates.length > 0) this.answerTracestate(ack);
  }

  private answerTracestate(ack: AckWriter): void {
    // More header fields than the engine asks for: a part of the list must not pass for the whole.
    if (this.tracestateCount > this.tracestates.length) return;
    const joined =
      this.tracestates.length === 1
        ? this.tracestates[0]
        : Buffer.from(this.tracestates.map((part) => part.toString('latin1')).join(','), 'latin1');
    if (joined === undefined) return;
    const value = propagateTracestate(joined);
    if (value.length === 0) return;
    ack.setVar(SET_TRACESTATE, value);
  }
}
