import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** The addresses in haproxy/haproxy.cfg, by what stands there. */
export const SHIPPED_PORTS = {
  http: 8080,
  h2: 8081,
  tcp: 8082,
  server: 8090,
  spop: 12_345,
  records: 12_346,
  admin: 12_347,
} as const;

export type Ports = { readonly [Name in keyof typeof SHIPPED_PORTS]: number };

/** The shipped ports where they are free, others otherwise. */
export async function portsForDemo(): Promise<Ports> {
  return choose(async (shipped) => ((await isFree(shipped)) ? shipped : freePort()));
}

/** Ports that are free now. */
export async function freePorts(): Promise<Ports> {
  return choose(() => freePort());
}

/** Below those that the system gives to outgoing connections, of which a test may make thousands. */
const LOWEST = 20_000;
const HIGHEST = 32_000;

let nextPort = randomInt(LOWEST, HIGHEST);

/**
 * A port that is free now, that no outgoing connection will use, and that was not returned before, here or in another
 * process that still runs: each in turn from a random one on, as a returned port is free until its user listens.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = nextPort;
    nextPort = port + 1 < HIGHEST ? port + 1 : LOWEST;
    if ((await reserve(port)) && (await isFree(port))) return port;
  }
}

/** By an abstract socket, which goes with this process and is no file. Where there are none, a port may be had twice. */
async function reserve(port: number): Promise<boolean> {
  const server = createServer().unref();
  return new Promise((resolve) => {
    server.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'EADDRINUSE'));
    server.listen(`\0haproxy-otel-port-${port}`, () => resolve(true));
  });
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const free = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => resolve(true));
  });
  if (free) await new Promise((resolve) => server.close(resolve));
  return free;
}

async function choose(pick: (shipped: number) => Promise<number>): Promise<Ports> {
  const ports: Record<string, number> = {};
  for (const [name, shipped] of Object.entries(SHIPPED_PORTS)) ports[name] = await pick(shipped);
  return ports as Ports;
}
