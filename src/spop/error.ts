import type { StatusCode } from './constants.ts';

/** What the peer sent breaks the protocol; `status` is what the DISCONNECT frame carries. */
export class SpopError extends Error {
  override readonly name = 'SpopError';
  readonly status: StatusCode;

  constructor(status: StatusCode, message: string) {
    super(message);
    this.status = status;
  }
}
