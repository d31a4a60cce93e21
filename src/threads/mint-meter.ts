import { getHeapStatistics } from 'node:v8';
import { LoopDelayMonitor } from '../admin/loop-delay.ts';
import type { MintName } from '../admin/mint-snapshot.ts';
import type { MintNumbers } from './mint-numbers.ts';

/** How often the mint thread's numbers are made visible, in milliseconds. */
const PUBLISH_INTERVAL = 250;

/** Numbers that other parts of the mint thread count. */
type MintReadings = Partial<Readonly<Record<MintName, number>>>;

/** Counts on the mint thread, and publishes the numbers from `start` on. */
export class MintMeter {
  private readonly numbers: MintNumbers;
  private readonly delay = new LoopDelayMonitor();
  private read: () => MintReadings = () => ({});
  private readonly minted: () => number;

  /** @param minted requests whose context was decided on so far; asked for with each chunk of NOTIFYs */
  constructor(numbers: MintNumbers, minted: () => number) {
    this.numbers = numbers;
    this.minted = minted;
  }

  /** As of a `Connection` of `spop`. */
  readonly answered = (notifies: number, milliseconds: number): void =>
    this.numbers.answered(notifies, milliseconds, this.minted());

  handshake(healthcheck: boolean): void {
    this.numbers.add(healthcheck ? 'healthchecks' : 'handshakes');
  }

  /** @param reason as in a `ConnectionEnd` of `spop` */
  ended(reason: string): void {
    if (reason === 'protocol') this.numbers.add('endedProtocol');
    if (reason === 'unread') this.numbers.add('endedUnread');
  }

  /** HAProxy's connections are accepted from now on. */
  start(read: () => MintReadings): void {
    this.read = read;
    this.numbers.set('listening', 1);
    this.publish();
    setInterval(() => this.publish(), PUBLISH_INTERVAL).unref();
  }

  /** HAProxy's connections are not accepted any more; numbers are still published. */
  stop(): void {
    this.numbers.set('listening', 0);
    this.publish();
  }

  private publish(): void {
    const { numbers } = this;
    for (const [name, value] of Object.entries(this.read())) numbers.set(name as MintName, value);
    const { p50, p99, max } = this.delay.read();
    numbers.set('delayP50', p50);
    numbers.set('delayP99', p99);
    numbers.set('delayMax', max);
    numbers.set('heapUsed', getHeapStatistics().used_heap_size);
    numbers.publish(Date.now());
  }
}
