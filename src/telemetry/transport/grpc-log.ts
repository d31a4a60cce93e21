import { setLogger } from '@grpc/grpc-js';

/** Keeps gRPC in this thread from writing a line for each attempt that fails: it is in the reasons of calls. */
export function quietGrpc(): void {
  setLogger({ error: () => {}, info: console.error, debug: console.error });
}
