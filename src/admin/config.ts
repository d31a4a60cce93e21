import type { ListenAddress } from '../listen.ts';

/** How the admin listener is set up: plain data, so that it can be sent to a thread. */
export type AdminConfig = {
  readonly address: ListenAddress;
  /** Whether nobody chose the address: an agent goes on without this listener where another has taken it. */
  readonly optional: boolean;
  /** What whoever asks has to show; undefined where only this host can ask. */
  readonly token: string | undefined;
  /** Names, beside addresses, under which browsers may come. */
  readonly hosts: readonly string[];
  /** Of the tracing backend's UI, with `{traceId}` in it. */
  readonly traceUrl: string | undefined;
};
