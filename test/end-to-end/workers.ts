import type { Haproxy } from '../../src/demo/haproxy.ts';

/** Has a master start a new worker; the old one ends when its last request is over. */
export function reload({ process }: Haproxy): void {
  process.kill('SIGUSR2');
}

/** Workers that a master started so far. */
export function startedWorkers({ output }: Haproxy): number {
  return output.match(/Loading success/g)?.length ?? 0;
}

/** Exit codes of those that ended because they were replaced; over 128 by a signal. */
export function formerWorkers({ output }: Haproxy): number[] {
  const ended = output.matchAll(/Former worker \(\d+\) exited with code (\d+)/g);
  return [...ended].map(([, code]) => Number(code));
}
