import { createServer } from 'node:net';

/** The addresses in haproxy/haproxy.cfg, by what stands there. */
export const SHIPPED_PORTS = {
  http: 8080,
  h2: 8081,
  server: 8090,
  spop: 12_345,
  records: 12_346,
} as const;

export type Ports = { readonly [Name in keyof typeof SHIPPED_PORTS]: number };

/** The shipped ports where nobody uses them, free ones otherwise. */
export async function portsForDemo(): Promise<Ports> {
  return choose((shipped) => freePort(shipped).catch(() => freePort()));
}

/** Ports that are free now; the system hands them out in turn, so that they stay free for a while. */
export async function freePorts(): Promise<Ports> {
  return choose(() => freePort());
}

/** @throws when `port` is given and taken */
export async function freePort(port = 0): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const bound = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (bound === null || typeof bound === 'string') throw new Error('no port');
  return bound.port;
}

async function choose(pick: (shipped: number) => Promise<number>): Promise<Ports> {
  const ports: Record<string, number> = {};
  for (const [name, shipped] of Object.entries(SHIPPED_PORTS)) ports[name] = await pick(shipped);
  return ports as Ports;
}
