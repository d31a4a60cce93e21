// Loaded into every thread of an agent under test: SIGWINCH makes the telemetry thread hang, and go on after as long.
import { BroadcastChannel, isMainThread } from 'node:worker_threads';

const HANG = 2_000;

const channel = new BroadcastChannel('hang-on-signal');
channel.unref();
if (isMainThread) {
  process.on('SIGWINCH', () => channel.postMessage('now'));
} else {
  channel.onmessage = () => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, HANG);
  };
}
