import { request } from 'node:http';
import { connect } from 'node:net';
import type { AgentProcess } from '../agent-process.ts';

export type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
};

type RequestOptions = {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
};

/** Where an agent's admin listener is: a port, or the path of a unix socket. */
export function adminOf(agent: AgentProcess): { port: number } | { socketPath: string } {
  const address = String(agent.logged('ready')?.admin);
  return address.startsWith('unix:')
    ? { socketPath: address.slice('unix:'.length) }
    : { port: Number(address.split(':').at(-1)) };
}

/** Asks the admin listener. `headers` may have a `host` of their own. */
export function requestAdmin(
  agent: AgentProcess,
  path: string,
  question: RequestOptions = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers = {} } = question;
    const where = { host: '127.0.0.1', ...adminOf(agent) };
    const outgoing = request({ ...where, path, method, headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    });
    outgoing.once('error', reject);
    outgoing.end();
  });
}

/** What comes back for bytes that no HTTP client would send. */
export function requestAdminRaw(agent: AgentProcess, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const where = adminOf(agent);
    const socket = 'port' in where ? connect(where.port, '127.0.0.1') : connect(where.socketPath);
    let text = '';
    socket.setEncoding('latin1').on('data', (part: string) => {
      text += part;
    });
    socket.once('error', reject);
    socket.once('close', () => resolve(text));
    socket.end(bytes, 'latin1');
  });
}
