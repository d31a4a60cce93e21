// Loaded into every thread of an agent under test: SIGWINCH makes the telemetry thread throw.
import { BroadcastChannel, isMainThread } from 'node:worker_threads';

const channel = new BroadcastChannel('die-on-signal');
channel.unref();
if (isMainThread) {
  process.on('SIGWINCH', () => channel.postMessage('now'));
} else {
  channel.onmessage = () => {
    throw new Error('told to die');
  };
}
