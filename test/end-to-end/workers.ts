import type { Haproxy } from '../../src/demo/haproxy.ts';

/** Has a master start a new worker; the old one ends when its last request is over. */
export function reload({ process }: Haproxy): void {
  process.kill('SIGUSR2');
}

/** Workers that a master started so far. */
export function startedWorkers({ output }: Haproxy): number {
  return output.match(/Loading success/g)?.length ?? 0;
}

/** Those that ended because they were replaced. */
export function formerWorkers({ output }: Haproxy): number {
  return output.match(/Former worker \(\d+\) exited/g)?.length ?? 0;
}
