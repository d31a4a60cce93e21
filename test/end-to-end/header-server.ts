import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import { connect } from 'node:http2';
import type { AddressInfo } from 'node:net';

/** A name and its value for each header field, in order, as they stand in the message. */
export type HeaderFields = readonly (readonly [name: string, value: string])[];

/** A server that answers with the header fields it got, repeated ones included; after `?delay=` milliseconds. */
export class HeaderServer {
  readonly port: number;
  private readonly server: Server;

  private constructor(server: Server) {
    this.server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  static async start(): Promise<HeaderServer> {
    const server = createServer((incoming, response) => {
      const { rawHeaders } = incoming;
      const fields = rawHeaders.flatMap((name, i) =>
        i % 2 === 0 ? [[name.toLowerCase(), rawHeaders[i + 1]]] : [],
      );
      const { searchParams } = new URL(incoming.url ?? '', 'http://localhost');
      setTimeout(() => response.end(JSON.stringify(fields)), Number(searchParams.get('delay')));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new HeaderServer(server);
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** What came of one request: the header fields that the server got, and those of the response. */
export type Exchange = {
  readonly upstream: HeaderFields;
  readonly response: Readonly<Record<string, string | string[] | undefined>>;
};

/** The values that the server got of one header. */
export function valuesOf({ upstream }: Exchange, name: string): string[] {
  return upstream.filter(([each]) => each === name).map(([, value]) => value);
}

export async function sendHttp1(
  port: number,
  path: string,
  fields: HeaderFields,
): Promise<Exchange> {
  const headers = [...fields, ['Host', 'www.example'] as const].flat();
  const outgoing = request({ host: '127.0.0.1', port, path, agent: false, headers });
  outgoing.end();
  const [incoming] = await once(outgoing, 'response');
  let body = '';
  for await (const part of incoming.setEncoding('utf8')) body += part;
  return { upstream: JSON.parse(body), response: incoming.headers };
}

export async function sendHttp2(
  port: number,
  path: string,
  fields: HeaderFields,
): Promise<Exchange> {
  const session = connect(`http://127.0.0.1:${port}`);
  const headers: Record<string, string[]> = {};
  for (const [name, value] of fields)
    headers[name.toLowerCase()] = [...(headers[name.toLowerCase()] ?? []), value];
  const stream = session.request({ ':path': path, ':authority': 'www.example', ...headers });
  const answered = once(stream, 'response');
  let body = '';
  for await (const part of stream.setEncoding('utf8')) body += part;
  const [response] = await answered;
  session.close();
  return { upstream: JSON.parse(body), response };
}
