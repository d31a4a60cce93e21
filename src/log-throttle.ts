/** How long events of one kind are only counted after the first of them was logged, in milliseconds. */
const INTERVAL = 60_000;

export type ThrottleOptions<Event extends readonly unknown[]> = {
  /** Logs how many events there were in the interval, the first included, where there were more; with the first. */
  readonly logCount?: (count: number, ...first: Event) => void;
  /** What is counted together: all events, where it is not set. Its values have to be bounded. */
  readonly kindOf?: (...event: Event) => string;
  /** Milliseconds. */
  readonly interval?: number;
};

/** Logs the first event of a kind at once, and how many there were when the interval is over. */
export function throttle<Event extends readonly unknown[]>(
  logFirst: (...event: Event) => void,
  { logCount, kindOf, interval = INTERVAL }: ThrottleOptions<Event> = {},
): (...event: Event) => void {
  const counts = new Map<string, { count: number }>();
  return (...event) => {
    const kind = kindOf?.(...event) ?? '';
    const running = counts.get(kind);
    if (running !== undefined) {
      running.count += 1;
      return;
    }
    const started = { count: 1 };
    counts.set(kind, started);
    logFirst(...event);
    setTimeout(() => {
      counts.delete(kind);
      if (started.count > 1) logCount?.(started.count, ...event);
    }, interval).unref();
  };
}
