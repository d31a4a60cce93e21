import { type Threshold, thresholdInMillionths, thresholdOf } from './threshold.ts';

/** Ratios that are cached: they come from maps, which have few. */
const MAX_RATIOS = 1_024;

/** The thresholds of a ratio, null where nothing is sampled: as the agent computes it, and as HAProxy's own rules do. */
export type Ratio = { readonly nearest: Threshold | null; readonly inMillionths: Threshold | null };

/** Reads the shares that HAProxy asks for: it has them as text, the same again and again. */
export class RatioCache {
  private readonly ratios = new Map<string, Ratio>();

  /** Undefined for anything but a number from 0 to 1. */
  read(text: string): Ratio | undefined {
    const known = this.ratios.get(text);
    if (known !== undefined) return known;
    const ratio = text.trim() === '' ? Number.NaN : Number(text);
    const valid = ratio >= 0 && ratio <= 1;
    if (!valid) return undefined;
    const both = {
      nearest: thresholdOf(ratio) ?? null,
      inMillionths: thresholdInMillionths(text) ?? null,
    };
    if (this.ratios.size === MAX_RATIOS) this.ratios.clear();
    this.ratios.set(text, both);
    return both;
  }
}
