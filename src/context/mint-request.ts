import { viewOf } from '../bytes.ts';
import { DataType } from '../spop/constants.ts';
import type { NotifyReader } from '../spop/decode.ts';
import { OtherPropagators, type Propagator } from './propagators.ts';
import { type Ratio, RatioCache } from './ratio.ts';
import { NOT_DESCRIBED } from './sampling.ts';
import type { Threshold } from './threshold.ts';
import { EMPTY_TRACEPARENT, isTraceId, parseTraceparent, TraceFlag } from './traceparent.ts';
import type { Tracestate } from './tracestate.ts';

/**
 * Messages and arguments of spoe/otel.conf. `tracestates` carries the header fields of a request that has any; it
 * follows `mint` in the same NOTIFY, as do the messages of other formats and the `request` that rules for sampling go by.
 */
const MINT = Buffer.from('mint');
const TRACESTATES = Buffer.from('tracestates');
const REQUEST = Buffer.from('request');
const TRACEPARENT = Buffer.from('traceparent');
const TRACEPARENT_COUNT = Buffer.from('traceparent_count');
const TRACESTATE = Buffer.from('tracestate');
const TRACESTATE_COUNT = Buffer.from('tracestate_count');
const TRUST = Buffer.from('trust');
const RATIO = Buffer.from('ratio');
const TRACE_ID = Buffer.from('trace_id');
const DESCRIPTION = (['method', 'host', 'path', 'route'] as const).map((key) => ({
  key,
  name: Buffer.from(key),
}));

/** What becomes of the caller's context. */
const TRUSTS = ['continue', 'restart', 'ignore'] as const;
export type Trust = (typeof TRUSTS)[number];
const TRUST_VALUES = TRUSTS.map((trust) => ({ trust, value: Buffer.from(trust) }));

/** Called for an argument of HAProxy's with an invalid value; `accepts` describes the valid ones. */
export type BadArgument = (name: string, value: string, accepts: string) => void;

/** How a caller is treated if HAProxy sends no trust: its rules were not run, or there are none. */
const UNSET_TRUST: Trust = 'restart';

const NO_BYTES = viewOf(new Uint8Array(0));

/** The content of one NOTIFY; one object for all of them. */
export class MintRequest {
  /** There was a `mint` message. */
  asked = false;
  trust: Trust = UNSET_TRUST;
  /** HAProxy sent a trust. */
  trustSet = false;
  /** Where the trace id starts that HAProxy made for a new trace and sampled by; -1 without. */
  traceIdStart = -1;
  /** What sampling rules match on, where HAProxy sends it. */
  description = NOT_DESCRIBED;

  /** The propagator that found the caller's context, once `extractContext` was called. */
  propagator: Propagator | undefined;
  /** A `traceparent` with the remote ids starts here at `remoteStart`, which is -1 where there are none. */
  remoteView: DataView = NO_BYTES;
  remoteStart = -1;
  remoteFlags = 0;
  /** Undefined where it left the decision open. */
  remoteSampled: boolean | undefined;
  remoteDebug = false;

  private ratio: Ratio | undefined;
  private traceparentStart = 0;
  private traceparentEnd = 0;
  private traceparentCount = 0;
  private tracestateCount = 0;
  private readonly tracestateStarts: number[] = [];
  private readonly tracestateEnds: number[] = [];
  private readonly others = new OtherPropagators();
  private readonly propagators: readonly Propagator[];
  private readonly onBadArgument: BadArgument;
  private readonly ratios = new RatioCache();
  private readonly converted = Buffer.from(EMPTY_TRACEPARENT);
  private readonly convertedView = viewOf(this.converted);

  /** @param propagators to extract the caller's context with: the first that finds a valid one wins */
  constructor(propagators: readonly Propagator[], onBadArgument: BadArgument) {
    this.propagators = propagators;
    this.onBadArgument = onBadArgument;
  }

  read(notify: NotifyReader): void {
    this.clear();
    while (notify.nextMessage()) {
      const isMint = notify.named(MINT);
      if (isMint) this.asked = true;
      if (isMint || notify.named(TRACESTATES)) {
        while (notify.nextArgument()) this.readArgument(notify);
      } else if (notify.named(REQUEST)) {
        while (notify.nextArgument()) this.readDescription(notify);
      } else {
        this.others.readMessage(notify);
      }
    }
  }

  /**
   * The threshold to sample this route by; null samples nothing, undefined leaves it to the configuration. Where
   * HAProxy has decided, it is that of its rules.
   */
  get route(): Threshold | null | undefined {
    return this.traceIdStart >= 0 ? this.ratio?.inMillionths : this.ratio?.nearest;
  }

  /** Whether the request has any trace context header, valid or not. */
  get hasContext(): boolean {
    return this.traceparentEnd > this.traceparentStart || this.others.any;
  }

  extractContext(notify: NotifyReader): void {
    for (const propagator of this.propagators) {
      const found =
        propagator === 'tracecontext'
          ? this.extractTraceparent(notify)
          : this.extractOther(propagator);
      if (found) {
        this.propagator = propagator;
        return;
      }
    }
  }

  /**
   * Reads the caller's tracestate, its header fields joined.
   *
   * @returns false where there is none that can be used, or it is not W3C's context that is continued
   */
  readTracestate(notify: NotifyReader, tracestate: Tracestate): boolean {
    const { tracestateStarts: starts, tracestateEnds: ends } = this;
    const [start] = starts;
    // There are more header fields than the engine sends: a part must not be used as the whole.
    const isWhole = this.tracestateCount <= starts.length;
    if (this.propagator !== 'tracecontext' || start === undefined || !isWhole) return false;
    if (starts.length === 1) return tracestate.read(notify.buffer, start, ends[0] ?? start);
    const joined = Buffer.from(
      starts.map((from, i) => notify.buffer.toString('latin1', from, ends[i])).join(','),
      'latin1',
    );
    return tracestate.read(joined, 0, joined.length);
  }

  private clear(): void {
    this.asked = false;
    this.trust = UNSET_TRUST;
    this.trustSet = false;
    this.traceIdStart = -1;
    this.ratio = undefined;
    this.propagator = undefined;
    this.remoteStart = -1;
    this.remoteFlags = 0;
    this.remoteSampled = undefined;
    this.remoteDebug = false;
    this.traceparentStart = 0;
    this.traceparentEnd = 0;
    this.traceparentCount = 0;
    this.tracestateCount = 0;
    if (this.tracestateStarts.length > 0) {
      this.tracestateStarts.length = 0;
      this.tracestateEnds.length = 0;
    }
    this.others.clear();
    this.description = NOT_DESCRIBED;
  }

  private readArgument(notify: NotifyReader): void {
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
      this.tracestateStarts.push(notify.valueStart);
      this.tracestateEnds.push(wholeMembers(notify.buffer, notify.valueStart, notify.valueEnd));
    } else if (notify.named(TRACESTATE_COUNT)) {
      this.tracestateCount = notify.smallInteger;
    } else if (notify.named(TRUST)) {
      this.trust = this.readTrust(notify);
      this.trustSet = true;
    } else if (notify.named(RATIO)) {
      this.ratio = this.readRatio(notify);
    } else if (notify.named(TRACE_ID)) {
      if (isTraceId(notify.buffer, notify.valueStart, notify.valueEnd)) {
        this.traceIdStart = notify.valueStart;
      }
    }
  }

  private readDescription(notify: NotifyReader): void {
    if (notify.type !== DataType.STRING) return;
    const known = DESCRIPTION.find(({ name }) => notify.named(name));
    if (known !== undefined) this.description = { ...this.description, [known.key]: notify.text };
  }

  /** An unknown word is read as `ignore`: no trace is continued by mistake. */
  private readTrust(notify: NotifyReader): Trust {
    const known = TRUST_VALUES.find(({ value }) => notify.valueEquals(value));
    if (known !== undefined) return known.trust;
    this.onBadArgument('trust', notify.text, TRUSTS.join(', '));
    return 'ignore';
  }

  private readRatio(notify: NotifyReader): Ratio | undefined {
    const { text } = notify;
    const ratio = this.ratios.read(text);
    if (ratio === undefined) this.onBadArgument('ratio', text, 'a number from 0 to 1');
    return ratio;
  }

  private extractTraceparent(notify: NotifyReader): boolean {
    if (this.traceparentCount > 1 || this.traceparentEnd === this.traceparentStart) return false;
    const flags = parseTraceparent(notify.buffer, this.traceparentStart, this.traceparentEnd);
    if (flags < 0) return false;
    this.remoteView = notify.view;
    this.remoteStart = this.traceparentStart;
    this.remoteFlags = flags;
    this.remoteSampled = (flags & TraceFlag.SAMPLED) !== 0;
    return true;
  }

  private extractOther(propagator: Exclude<Propagator, 'tracecontext'>): boolean {
    if (!this.others.any) return false;
    const caller = this.others.extract(propagator);
    if (caller === undefined) return false;
    this.remoteSampled = caller.sampled;
    this.remoteDebug = caller.debug;
    this.remoteFlags = caller.sampled === true ? TraceFlag.SAMPLED : 0;
    if (caller.ids !== undefined) {
      const { traceId, spanId } = caller.ids;
      this.remoteStart = 0;
      this.remoteView = this.convertedView;
      this.converted.write(`00-${traceId}-${spanId}-0${this.remoteFlags}`, 'latin1');
    }
    return true;
  }
}

/** Of one `tracestate` header field, the engine sends as many bytes as this and one more. */
const MAX_TRACESTATE_FIELD = 1_024;
const COMMA = 0x2c;

/** @returns where the last whole member of a field ends: the engine cuts a field that is too long */
function wholeMembers(bytes: Buffer, start: number, end: number): number {
  if (end - start <= MAX_TRACESTATE_FIELD) return end;
  const comma = bytes.lastIndexOf(COMMA, end - 1);
  return comma > start ? comma : end;
}
