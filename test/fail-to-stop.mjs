// Loaded into an agent under test: what its main thread has to close does not let itself be closed.
import { Server } from 'node:net';
import { isMainThread } from 'node:worker_threads';

if (isMainThread) {
  Server.prototype.close = () => {
    throw new Error('told to stay open', { cause: new Error('for a test') });
  };
}
