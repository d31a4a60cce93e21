// Loaded into every thread of an agent under test: SIGUSR2 makes the telemetry thread throw.
import { BroadcastChannel, isMainThread } from 'node:worker_threads';

const channel = new BroadcastChannel('die-when-told');
channel.unref();
if (isMainThread) {
  process.on('SIGUSR2', () => channel.postMessage('now'));
} else {
  channel.onmessage = () => {
    throw new Error('told to die');
  };
}
