import { copyBytes } from '../bytes.ts';
import { Scope } from '../spop/constants.ts';
import type { NotifyReader } from '../spop/decode.ts';
import {
  type AckWriter,
  type ActionTemplate,
  compileActions,
  compileSetVar,
} from '../spop/encode.ts';
import { hexPair } from './hex.ts';
import {
  CHILD_HOP_LENGTH,
  HopMark,
  HopOffset,
  LINK_LENGTH,
  ROOT_HOP_LENGTH,
  writeOwnIds,
} from './hop.ts';
import { RandomIds } from './ids.ts';
import { type BadArgument, MintRequest } from './mint-request.ts';
import {
  formatThreshold,
  OTEL_KEY,
  type OtelTracestate,
  parseOtelTracestate,
} from './otel-tracestate.ts';
import { PROPAGATORS, type Propagator } from './propagators.ts';
import type { Sampler } from './sampling.ts';
import type { Threshold } from './threshold.ts';
import {
  EMPTY_TRACEPARENT,
  FLAGS_OFFSET,
  PARENT_ID_OFFSET,
  SPAN_ID_DIGITS,
  TRACE_ID_DIGITS,
  TRACE_ID_OFFSET,
  TraceFlag,
} from './traceparent.ts';
import { Tracestate } from './tracestate.ts';

/** The variables of every answer, in the order in which they are set, by the shape of their hop. */
const ROOT = answerWith(ROOT_HOP_LENGTH);
const ROOT_DEBUG = answerWith(ROOT_HOP_LENGTH, HopMark.DEBUG);
const CHILD = answerWith(CHILD_HOP_LENGTH);
const CHILD_DEBUG = answerWith(CHILD_HOP_LENGTH, HopMark.DEBUG);
const LINKED = answerWith(
  ROOT_HOP_LENGTH,
  HopMark.LINK.padEnd(HopMark.LINK.length + LINK_LENGTH, '-'),
);
const OTEL_MEMBER = Buffer.from(OTEL_KEY);
const SET_TRACESTATE = compileSetVar(Scope.TRANSACTION, 'tracestate');

function answerWith(hopLength: number, mark = ''): ActionTemplate {
  return compileActions(Scope.TRANSACTION, {
    hop: '-'.repeat(hopLength) + mark,
    traceparent: EMPTY_TRACEPARENT,
  });
}

/** What became of the requests so far, each counted once. */
type MintCounts = {
  /** The caller's trace was continued. */
  continued: number;
  /** There was no context: a trace was started. */
  started: number;
  /** The context was invalid: a trace was started. */
  invalid: number;
  /** HAProxy did not trust the context: a trace was started, with a link to it (`restarted`) or without (`ignored`). */
  restarted: number;
  ignored: number;
  /** Of all these, how many were sampled, and how many were not because there were too many. */
  sampled: number;
  limited: number;
};

export type MinterOptions = {
  /** Propagators to extract the caller's context with: the first that finds a valid one wins. */
  readonly propagators?: readonly Propagator[];
  readonly onBadArgument?: BadArgument;
  /** Called for each request with a context and without a trust. */
  readonly onTrustUnset?: () => void;
};

/** Answers one `mint` message: continues or starts the trace, decides, and sets the variables. */
export class Minter {
  readonly counts: MintCounts = {
    continued: 0,
    started: 0,
    invalid: 0,
    restarted: 0,
    ignored: 0,
    sampled: 0,
    limited: 0,
  };
  private readonly sampler: Sampler;
  private readonly ids = new RandomIds();
  private readonly request: MintRequest;
  private readonly tracestate = new Tracestate();

  /** Requests so far, whatever became of them. */
  get minted(): number {
    const { continued, started, invalid, restarted, ignored } = this.counts;
    return continued + started + invalid + restarted + ignored;
  }

  private readonly onTrustUnset: () => void;
  /** The last threshold that was written alone, and the tracestate member for it. */
  private lastThreshold: Threshold | undefined;
  private lastMember: Buffer = Buffer.alloc(0);

  constructor(
    sampler: Sampler,
    {
      propagators = PROPAGATORS,
      onBadArgument = () => {},
      onTrustUnset = () => {},
    }: MinterOptions = {},
  ) {
    this.sampler = sampler;
    this.onTrustUnset = onTrustUnset;
    this.request = new MintRequest(propagators, onBadArgument);
  }

  /** A `NotifyHandler`; ignores unknown arguments. */
  readonly handle = (notify: NotifyReader, ack: AckWriter): void => {
    this.request.read(notify);
    if (this.request.asked) this.answer(notify, ack);
  };

  private answer(notify: NotifyReader, ack: AckWriter): void {
    const { request } = this;
    if (!request.trustSet && request.hasContext) this.onTrustUnset();
    if (request.trust !== 'ignore') request.extractContext(notify);
    const { remoteView, remoteStart } = request;
    const follows = request.trust === 'continue';
    const continued = follows && remoteStart >= 0;
    const linked = !follows && remoteStart >= 0;
    const debug = follows && request.remoteDebug;
    this.count(continued, linked);

    const actions = continued ? (debug ? CHILD_DEBUG : CHILD) : debug ? ROOT_DEBUG : ROOT;
    const { values } = linked ? LINKED : actions;
    const start = ack.add(linked ? LINKED : actions);
    const { buffer, view } = ack.out;
    const hop = start + (values[0] ?? 0);
    const traceparent = start + (values[1] ?? 0);

    const traceId = hop + HopOffset.TRACE_ID;
    if (continued) {
      const incoming = remoteStart + TRACE_ID_OFFSET;
      copyBytes(remoteView, incoming, view, traceId, TRACE_ID_DIGITS);
      const parent = remoteStart + PARENT_ID_OFFSET;
      copyBytes(remoteView, parent, view, hop + HopOffset.PARENT_ID, SPAN_ID_DIGITS);
    } else if (request.traceIdStart >= 0) {
      copyBytes(notify.view, request.traceIdStart, view, traceId, TRACE_ID_DIGITS);
    } else {
      this.ids.traceId(view, traceId);
    }
    if (linked) {
      const incoming = remoteStart + TRACE_ID_OFFSET;
      copyBytes(remoteView, incoming, view, hop + HopOffset.LINK, LINK_LENGTH);
    }

    const { tracestate } = this;
    const hasTracestate = continued && request.readTracestate(notify, tracestate);
    const otelValue = hasTracestate ? tracestate.valueOf(OTEL_MEMBER) : undefined;
    const otel = otelValue === undefined ? undefined : parseOtelTracestate(otelValue);
    const parentSampled = follows ? request.remoteSampled : undefined;
    const sampled = debug
      ? this.sampler.forceSample()
      : this.sampler.decide(
          parentSampled,
          buffer,
          traceId,
          otel,
          request.route,
          request.description,
          request.traceIdStart >= 0,
        );
    if (sampled) this.counts.sampled += 1;
    this.counts.limited = this.sampler.limited;
    const random = continued ? request.remoteFlags & TraceFlag.RANDOM : TraceFlag.RANDOM;
    const flags = random | (sampled ? TraceFlag.SAMPLED : 0);
    writeOwnIds(view, hop, flags, this.ids);

    const clientSpanId = hop + HopOffset.CLIENT_SPAN_ID;
    copyBytes(view, traceId, view, traceparent + TRACE_ID_OFFSET, TRACE_ID_DIGITS);
    copyBytes(view, clientSpanId, view, traceparent + PARENT_ID_OFFSET, SPAN_ID_DIGITS);
    view.setUint16(traceparent + FLAGS_OFFSET, hexPair(flags));

    if (hasTracestate) this.propagateTracestate(ack, otel);
    else if (this.sampler.threshold !== undefined) this.writeThreshold(ack, this.sampler.threshold);
  }

  private count(continued: boolean, linked: boolean): void {
    const { request, counts } = this;
    if (continued) counts.continued += 1;
    else if (!request.hasContext) counts.started += 1;
    else if (linked) counts.restarted += 1;
    else if (request.trust === 'ignore') counts.ignored += 1;
    else if (request.propagator === undefined) counts.invalid += 1;
    else counts.started += 1;
  }

  /** Writes the caller's tracestate, with the threshold of this decision. */
  private propagateTracestate(ack: AckWriter, otel: OtelTracestate | undefined): void {
    const { tracestate } = this;
    const { threshold } = this.sampler;
    const alone = threshold === undefined ? '' : formatThreshold(threshold);
    const otelValue = otel === undefined ? alone : otel.with(threshold);
    const isSame = otelValue === (otel?.value ?? '');
    if (isSame && tracestate.isPlain) {
      ack.setVar(SET_TRACESTATE, tracestate.bytes, tracestate.start, tracestate.end);
      return;
    }
    const value = isSame ? tracestate.shortened() : tracestate.changed(OTEL_KEY, otelValue);
    if (value.length > 0) ack.setVar(SET_TRACESTATE, value);
  }

  /** Writes a tracestate of the threshold alone; most are the same. */
  private writeThreshold(ack: AckWriter, threshold: Threshold): void {
    if (this.lastThreshold !== threshold) {
      this.lastThreshold = threshold;
      this.lastMember = Buffer.from(`${OTEL_KEY}=${formatThreshold(threshold)}`, 'latin1');
    }
    ack.setVar(SET_TRACESTATE, this.lastMember);
  }
}
