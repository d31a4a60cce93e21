import { ofAgent } from './agent-faults.ts';
import type { Fault } from './fault.ts';
import { OF_HAPROXY } from './haproxy-faults.ts';
import { OF_RECEIVER } from './receiver-faults.ts';

/** All that can happen. What cannot be had here has its place in the schedule all the same. */
export const FAULTS: readonly Fault[] = [
  ...ofAgent('agent', ({ agent }) => agent),
  ...ofAgent('second agent', ({ second }) => second),
  ...OF_HAPROXY,
  ...OF_RECEIVER,
];
