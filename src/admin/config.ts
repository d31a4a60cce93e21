import type { ListenAddress } from '../listen-address.ts';

/** How the admin listener is set up: plain data, so that it can be sent to a thread. */
export type AdminConfig = {
  readonly address: ListenAddress;
  /** Whether nobody chose the address: the agent starts without this listener if the address is in use. */
  readonly optional: boolean;
  /** The token that a request needs; undefined where only this host can connect. */
  readonly token: string | undefined;
  /** Host names, beside addresses, that browsers may use. */
  readonly hosts: readonly string[];
  /** Of the tracing backend's UI, with `{traceId}` in it. */
  readonly traceUrl: string | undefined;
};
