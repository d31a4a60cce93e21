/** How one attempt to send a batch ended. */
export type SendResult =
  | {
      readonly kind: 'sent';
      /** Items that the receiver did not accept, and does not want again. */
      readonly rejected: number;
      /** Why they were rejected, or, with none, a warning; empty where there is none. */
      readonly message: string;
    }
  | {
      readonly kind: 'retryable';
      readonly reason: string;
      /** Milliseconds that the receiver asked to wait, if it did. */
      readonly delay: number | undefined;
    }
  /** Refused for its size, as far as is known: a smaller batch may be accepted. */
  | { readonly kind: 'too_large'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string };

/** Sends encoded requests of one signal to one receiver. */
export type OtlpClient = {
  /** @param request an encoded Export…ServiceRequest, which stays as it is until this resolves; it never rejects */
  send(request: Buffer): Promise<SendResult>;
  /** Closes connections when the requests that are on their way have been answered. */
  close(): void;
};
