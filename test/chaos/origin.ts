import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';

/** The application behind HAProxy: answers after `?after=` milliseconds, accepts upgrades and echoes on them. */
export class Origin {
  private readonly server: Server;
  private readonly sockets = new Set<Duplex>();

  /** @param onRequest path of each request, and the `traceparent` that came with it */
  static async start(
    port: number,
    onRequest: (path: string, traceparent: string) => void,
  ): Promise<Origin> {
    const origin = new Origin(onRequest);
    await new Promise<void>((resolve) => origin.server.listen(port, '127.0.0.1', resolve));
    return origin;
  }

  private constructor(onRequest: (path: string, traceparent: string) => void) {
    const seen = (request: IncomingMessage): URL => {
      const url = new URL(request.url ?? '/', 'http://origin');
      onRequest(url.pathname, String(request.headers.traceparent));
      return url;
    };
    this.server = createServer((request, response) => {
      const after = Number(seen(request).searchParams.get('after'));
      if (after === 0) response.end('ok');
      else setTimeout(() => response.end('ok'), after);
    });
    // HAProxy decides when an idle connection is closed.
    this.server.keepAliveTimeout = 0;
    this.server.on('upgrade', (request, socket) => {
      seen(request);
      this.sockets.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => this.sockets.delete(socket));
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n' +
          'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n',
      );
      socket.on('data', (data) => socket.write(data));
      socket.on('end', () => socket.end());
    });
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
