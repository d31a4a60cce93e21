import { createServer, type Server, type Socket } from 'node:net';

/** What the server does once a request's headers are there. */
type Script = (socket: Socket, request: string) => void;

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** By the last part of the path. */
const SCRIPTS: Readonly<Record<string, Script>> = {
  ok: (socket) => socket.write(OK),
  probe: (socket) => socket.write(OK),
  missing: (socket) => socket.write('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'),
  broken: (socket) => socket.write('HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n'),
  empty: (socket) => socket.write('HTTP/1.1 204 No Content\r\n\r\n'),
  unchanged: (socket) => socket.write('HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n'),
  head: (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n'),
  chunked: (socket) =>
    socket.write(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n' +
        '5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n',
    ),
  cacheable: (socket) =>
    socket.write(
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCache-Control: public, max-age=60\r\n\r\nok',
    ),
  continue: (socket) => {
    socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    socket.once('data', () => socket.write(OK));
  },
  /** Answers nothing, and leaves the connection open. */
  silent: () => {},
  'broken-503': (socket) => socket.write('HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n'),
  close: (socket) => socket.end(),
  reset: (socket) => socket.resetAndDestroy(),
  nonsense: (socket) => socket.write('this is not HTTP\r\n\r\n'),
  'large-headers': (socket) =>
    socket.write(`HTTP/1.1 200 OK\r\nX-Large: ${'x'.repeat(40_000)}\r\nContent-Length: 0\r\n\r\n`),
  /** Stops in the middle of its body. */
  stall: (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf of it'),
  cut: (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf of it'),
  'bad-chunk': (socket) =>
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nnonsense\r\n'),
  slow: (socket) => setTimeout(() => socket.write(OK), 800),
  /** A body of a second and a half, without and with a Content-Length. */
  drip: (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    repeat(socket, `a\r\n${'x'.repeat(10)}\r\n`, () => socket.write('0\r\n\r\n'));
  },
  'drip-long': (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${15 * 10_000}\r\n\r\n`);
    repeat(socket, 'x'.repeat(10_000), () => {});
  },
  /** More than all buffers on the way hold. */
  download: (socket) => {
    const length = 64 * 1024 * 1024;
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`);
    socket.write(Buffer.alloc(length));
  },
  websocket: (socket) => {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n' +
        'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n',
    );
    socket.on('data', (data) => (data.toString() === 'bye' ? socket.end() : socket.write(data)));
  },
};

/** Fifteen times, a tenth of a second apart. */
function repeat(socket: Socket, bytes: string, end: () => void, times = 15): void {
  if (times === 0) {
    end();
    return;
  }
  socket.write(bytes);
  setTimeout(() => repeat(socket, bytes, end, times - 1), 100);
}

/** A server whose behaviour, down to the byte, is chosen by the last part of the path. */
export class ScriptedServer {
  /** Requests so far. */
  requests = 0;
  private readonly asked = new Map<string, number>();
  readonly port: number;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.server = server;
    this.port = (server.address() as { port: number }).port;
    server.on('connection', (socket) => this.serve(socket));
  }

  static async start(): Promise<ScriptedServer> {
    const server = createServer({ allowHalfOpen: false });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new ScriptedServer(server);
  }

  /** What was asked before counts no more for what is failed once. */
  forget(): void {
    this.asked.clear();
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private serve(socket: Socket): void {
    this.sockets.add(socket);
    socket.once('close', () => this.sockets.delete(socket));
    socket.on('error', () => {});
    let head = '';
    const read = (bytes: Buffer): void => {
      head += bytes.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      const path = head.split(' ', 2)[1] ?? '';
      this.requests += 1;
      const times = (this.asked.get(path) ?? 0) + 1;
      this.asked.set(path, times);
      const name = path.split('/').at(-1) ?? '';
      // A request that a server fails first, and answers when it comes again.
      const first = times === 1;
      const script = SCRIPTS[name.startsWith('once-') && !first ? 'ok' : name.replace('once-', '')];
      if (script === undefined) throw new Error(`no script "${name}"`);
      const request = head;
      head = '';
      if (!['continue', 'websocket'].includes(name)) return void script(socket, request);
      socket.off('data', read);
      script(socket, request);
    };
    socket.on('data', read);
  }
}
