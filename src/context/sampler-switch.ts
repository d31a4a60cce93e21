import { createSampler, type Sampler, type SamplerConfig } from './sampling.ts';

/** A sampler that can be replaced while it is asked. */
export class SamplerSwitch {
  private current: Sampler;

  constructor(config: SamplerConfig) {
    this.current = createSampler(config);
  }

  readonly sample: Sampler = (parentSampled, bytes, traceId) =>
    this.current(parentSampled, bytes, traceId);

  use(config: SamplerConfig): void {
    this.current = createSampler(config);
  }
}
