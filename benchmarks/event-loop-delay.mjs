// Loaded into an agent under test (node --import): measures the event loop delay of its main thread and
// sends it to the parent process, in milliseconds, whenever that asks. Run by itself it is a process that
// does nothing else: what it measures then is the machine.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';
import { percentilesOf } from './spread.mjs';

if (isMainThread && process.send !== undefined) {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  process.on('message', (message) => {
    if (message === 'start') {
      histogram.reset();
      histogram.enable();
      return;
    }
    histogram.disable();
    process.send(percentilesOf(histogram));
  });
}
