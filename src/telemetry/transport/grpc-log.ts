import { setLogger } from '@grpc/grpc-js';

/** Silences gRPC's own error log, a line per attempt: its messages are in the reasons of failed calls already. */
export function quietGrpc(): void {
  setLogger({ error: () => {}, info: console.error, debug: console.error });
}
