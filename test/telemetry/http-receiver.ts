import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { createServer as createSecureServer, type ServerOptions } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { afterwards } from './exporting-agent.ts';

export type HttpRequest = {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Without compression. */
  readonly body: Buffer;
  /** When it had come, in milliseconds. */
  readonly at: number;
};

/** Answers the request with this index; ends the response. */
export type Respond = (response: ServerResponse, index: number, request: HttpRequest) => void;

export type HttpReceiver = {
  readonly requests: readonly HttpRequest[];
  readonly port: number;
  /** Connections that were accepted, and how many of them are open. */
  readonly connections: number;
  readonly open: number;
};

/** An HTTP server that stores what is sent to it until the test is over; it accepts everything unless `respond` does not. */
export async function receiveHttp(
  respond: Respond = accept,
  {
    path,
    port = 0,
    tls,
  }: { readonly path?: string; readonly port?: number; readonly tls?: ServerOptions } = {},
): Promise<HttpReceiver> {
  const requests: HttpRequest[] = [];
  let connections = 0;
  let open = 0;
  const server = tls === undefined ? createServer() : createSecureServer(tls);
  // Who closes a connection is the agent.
  server.keepAliveTimeout = 0;
  server.on('request', (message, response) => {
    const chunks: Buffer[] = [];
    message.on('data', (chunk: Buffer) => chunks.push(chunk));
    message.on('end', () => {
      const { method = '', url = '', headers } = message;
      const raw = Buffer.concat(chunks);
      const body = headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw;
      const request = { method, url, headers, body, at: performance.now() };
      requests.push(request);
      respond(response, requests.length - 1, request);
    });
  });
  server.on('connection', (socket: Socket) => {
    connections += 1;
    open += 1;
    socket.once('close', () => {
      open -= 1;
    });
  });
  await new Promise<void>((resolve) => {
    if (path === undefined) server.listen(port, '127.0.0.1', resolve);
    else server.listen(path, resolve);
  });
  afterwards(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address() as AddressInfo | string | null;
  return {
    requests,
    port: typeof address === 'object' && address !== null ? address.port : 0,
    get connections() {
      return connections;
    },
    get open() {
      return open;
    },
  };
}

export function accept(response: ServerResponse): void {
  answer(response, 200);
}

export function answer(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>> = {},
  body: string | Uint8Array = '',
): void {
  response.writeHead(status, headers);
  response.end(body);
}
