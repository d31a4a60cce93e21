import { viewOf } from '../bytes.ts';
import { DataType } from '../spop/constants.ts';
import type { NotifyReader } from '../spop/decode.ts';
import { type Format, OtherHeaders } from './propagation.ts';
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
export const TRUSTS = ['continue', 'restart', 'ignore'] as const;
export type Trust = (typeof TRUSTS)[number];
const TRUST_VALUES = TRUSTS.map((trust) => ({ trust, value: Buffer.from(trust) }));

/** Takes what HAProxy was configured to say and nobody understands: `accepts` is what would have been. */
export type BadArgument = (name: string, value: string, accepts: string) => void;

/** What is done with a caller of whom HAProxy says nothing: its rules were not run, or are none. */
const UNSET_TRUST: Trust = 'restart';

const NO_BYTES = viewOf(new Uint8Array(0));

/** What one NOTIFY asks; filled anew for each. */
export class MintRequest {
  /** There was a `mint` message. */
  asked = false;
  trust: Trust = UNSET_TRUST;
  /** HAProxy said whether to trust. */
  trustSet = false;
  /** Where the trace id that HAProxy made for a new trace starts, by which it decided that this is asked; -1 without. */
  traceIdStart = -1;
  /** What rules for sampling go by, where HAProxy tells it. */
  description = NOT_DESCRIBED;

  /** The caller's context, once `findCaller` was called. */
  found: Format | undefined;
  /** A `traceparent` with its ids starts at `callerStart` in this; -1 where it told none. */
  callerView: DataView = NO_BYTES;
  callerStart = -1;
  callerFlags = 0;
  /** Undefined where it left the decision open. */
  callerSampled: boolean | undefined;
  callerDebug = false;

  private ratio: Ratio | undefined;
  private traceparentStart = 0;
  private traceparentEnd = 0;
  private traceparentCount = 0;
  private tracestateCount = 0;
  private readonly tracestateStarts: number[] = [];
  private readonly tracestateEnds: number[] = [];
  private readonly others = new OtherHeaders();
  private readonly formats: readonly Format[];
  private readonly onBadArgument: BadArgument;
  private readonly ratios = new RatioCache();
  private readonly converted = Buffer.from(EMPTY_TRACEPARENT);
  private readonly convertedView = viewOf(this.converted);

  /** @param formats where to look for the caller's context, the first valid one wins */
  constructor(formats: readonly Format[], onBadArgument: BadArgument) {
    this.formats = formats;
    this.onBadArgument = onBadArgument;
  }

  read(notify: NotifyReader): void {
    this.clear();
    while (notify.nextMessage()) {
      const isMint = notify.named(MINT);
      if (isMint) this.asked = true;
      if (isMint || notify.named(TRACESTATES)) {
        while (notify.nextArgument()) this.take(notify);
      } else if (notify.named(REQUEST)) {
        while (notify.nextArgument()) this.describe(notify);
      } else {
        this.others.take(notify);
      }
    }
  }

  /**
   * The share of traces to keep here; null is nothing, undefined leaves it to the configuration. Where HAProxy decides,
   * it is that of its rules.
   */
  get route(): Threshold | null | undefined {
    return this.traceIdStart >= 0 ? this.ratio?.inMillionths : this.ratio?.nearest;
  }

  /** Whether the request has a header that tells of a trace, of whatever use. */
  get hasContext(): boolean {
    return this.traceparentEnd > this.traceparentStart || this.others.any;
  }

  findCaller(notify: NotifyReader): void {
    for (const format of this.formats) {
      const found =
        format === 'tracecontext' ? this.findTraceparent(notify) : this.findOther(format);
      if (found) {
        this.found = format;
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
    // More fields than the engine asks for: a part must not pass for the whole.
    const isWhole = this.tracestateCount <= starts.length;
    if (this.found !== 'tracecontext' || start === undefined || !isWhole) return false;
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
    this.found = undefined;
    this.callerStart = -1;
    this.callerFlags = 0;
    this.callerSampled = undefined;
    this.callerDebug = false;
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
      this.tracestateStarts.push(notify.valueStart);
      this.tracestateEnds.push(notify.valueEnd);
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

  private describe(notify: NotifyReader): void {
    if (notify.type !== DataType.STRING) return;
    const known = DESCRIPTION.find(({ name }) => notify.named(name));
    if (known !== undefined) this.description = { ...this.description, [known.key]: notify.text };
  }

  /** A word that nobody knows was meant to distrust: a caller is not continued by mistake. */
  private readTrust(notify: NotifyReader): Trust {
    const known = TRUST_VALUES.find(({ value }) => notify.says(value));
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

  private findTraceparent(notify: NotifyReader): boolean {
    if (this.traceparentCount > 1 || this.traceparentEnd === this.traceparentStart) return false;
    const flags = parseTraceparent(notify.buffer, this.traceparentStart, this.traceparentEnd);
    if (flags < 0) return false;
    this.callerView = notify.view;
    this.callerStart = this.traceparentStart;
    this.callerFlags = flags;
    this.callerSampled = (flags & TraceFlag.SAMPLED) !== 0;
    return true;
  }

  private findOther(format: Exclude<Format, 'tracecontext'>): boolean {
    if (!this.others.any) return false;
    const caller = this.others.caller(format);
    if (caller === undefined) return false;
    this.callerSampled = caller.sampled;
    this.callerDebug = caller.debug;
    this.callerFlags = caller.sampled === true ? TraceFlag.SAMPLED : 0;
    if (caller.ids !== undefined) {
      const { traceId, spanId } = caller.ids;
      this.callerStart = 0;
      this.callerView = this.convertedView;
      this.converted.write(`00-${traceId}-${spanId}-0${this.callerFlags}`, 'latin1');
    }
    return true;
  }
}
