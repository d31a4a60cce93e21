import { viewOf } from '../bytes.ts';
import { type Hop, HopOffset, ROOT_HOP_LENGTH, writeOwnIds } from '../context/hop.ts';
import { parseHop } from '../context/hop-view.ts';
import { RandomIds } from '../context/ids.ts';
import type { Sampler } from '../context/sampling.ts';
import { TraceFlag } from '../context/traceparent.ts';

/** Mints the hop of a record without one: it starts a trace of its own. */
export class HopMinter {
  private readonly ids = new RandomIds();
  private readonly sampler: Sampler;
  private readonly buffer = Buffer.alloc(ROOT_HOP_LENGTH, '-');
  private readonly view = viewOf(this.buffer);

  constructor(sampler: Sampler) {
    this.sampler = sampler;
  }

  make(): Hop {
    const { buffer, view } = this;
    this.ids.traceId(view, HopOffset.TRACE_ID);
    const sampled = this.sampler.decide(undefined, buffer, HopOffset.TRACE_ID);
    const flags = TraceFlag.RANDOM | (sampled ? TraceFlag.SAMPLED : 0);
    writeOwnIds(view, 0, flags, this.ids);
    const hop = parseHop(buffer.toString('latin1'));
    if (hop === undefined) throw new Error('made a hop that cannot be read');
    return hop;
  }
}
