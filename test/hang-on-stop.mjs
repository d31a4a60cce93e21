// Loaded into every thread of an agent under test: the telemetry thread hangs once it is to stop.
import { isMainThread, parentPort } from 'node:worker_threads';

if (!isMainThread) {
  parentPort.on('message', ({ type }) => {
    if (type !== 'stop') return;
    process.nextTick(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000));
  });
}
