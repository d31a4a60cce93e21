/** As the specification has them by default. */
const MAX_BUCKETS = 160;
const MAX_SCALE = 20;

/** Below are numbers of less precision, which are counted as the smallest of full precision. */
const SMALLEST_NORMAL = 2 ** -1022;

const SIGN_AND_EXPONENT = 0x7ff00000;
const FRACTION = 0xfffff;
const EXPONENT_BIAS = 1023;

const bits = new DataView(new ArrayBuffer(8));

/**
 * OTLP's exponential histogram of base 2, of values from 0 on (opentelemetry-proto, metrics.proto): bucket `index` holds
 * what is above `base ** index` and not above `base ** (index + 1)`, with `base = 2 ** (2 ** -scale)`. The scale is the
 * largest that lets all values fit into 160 buckets.
 */
export class ExponentialHistogram {
  zeroCount = 0;
  private resolution = MAX_SCALE;
  private factor = factorOf(MAX_SCALE);
  private counts: number[] = [];
  private firstIndex = 0;

  /** Meaningless while all values are 0. */
  get scale(): number {
    return this.counts.length === 0 ? 0 : this.resolution;
  }

  /** The index of the first of `buckets`. */
  get offset(): number {
    return this.counts.length === 0 ? 0 : this.firstIndex;
  }

  get buckets(): readonly number[] {
    return this.counts;
  }

  record(value: number): void {
    if (value === 0) {
      this.zeroCount += 1;
      return;
    }
    let index = bucketIndex(value, this.resolution, this.factor);
    const { length } = this.counts;
    if (length === 0) {
      this.counts.push(1);
      this.firstIndex = index;
      return;
    }
    let first = Math.min(this.firstIndex, index);
    let last = Math.max(this.firstIndex + length - 1, index);
    let halvings = 0;
    while (last - first >= MAX_BUCKETS) {
      first >>= 1;
      last >>= 1;
      halvings += 1;
    }
    if (halvings > 0) {
      this.reduce(halvings);
      index = bucketIndex(value, this.resolution, this.factor);
    }
    this.count(index);
  }

  clear(): void {
    this.zeroCount = 0;
    this.use(MAX_SCALE);
    this.counts = [];
  }

  private count(index: number): void {
    const { counts } = this;
    if (index < this.firstIndex) {
      counts.unshift(...new Array<number>(this.firstIndex - index).fill(0));
      this.firstIndex = index;
    }
    const place = index - this.firstIndex;
    while (counts.length <= place) counts.push(0);
    counts[place] = (counts[place] ?? 0) + 1;
  }

  /** Makes one bucket of two, as many times. */
  private reduce(halvings: number): void {
    const first = this.firstIndex >> halvings;
    const reduced: number[] = [];
    this.counts.forEach((count, place) => {
      const next = ((this.firstIndex + place) >> halvings) - first;
      reduced[next] = (reduced[next] ?? 0) + count;
    });
    this.counts = reduced;
    this.firstIndex = first;
    this.use(this.resolution - halvings);
  }

  private use(scale: number): void {
    this.resolution = scale;
    this.factor = factorOf(scale);
  }
}

/** What makes an index of a natural logarithm. */
function factorOf(scale: number): number {
  return Math.LOG2E * 2 ** scale;
}

function bucketIndex(value: number, scale: number, factor: number): number {
  const normal = Math.max(value, SMALLEST_NORMAL);
  bits.setFloat64(0, normal);
  const high = bits.getUint32(0);
  const exponent = ((high & SIGN_AND_EXPONENT) >> 20) - EXPONENT_BIAS;
  const isPowerOfTwo = (high & FRACTION) === 0 && bits.getUint32(4) === 0;
  // The upper bound of a bucket is in it: a logarithm would not be exact enough to find it.
  if (isPowerOfTwo) return scale > 0 ? exponent * 2 ** scale - 1 : (exponent - 1) >> -scale;
  if (scale <= 0) return exponent >> -scale;
  return Math.floor(Math.log(normal) * factor);
}
