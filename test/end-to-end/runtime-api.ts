import { connect } from 'node:net';

/** Sends a command to HAProxy's Runtime API, a `stats socket`; resolves with its answer. */
export function runCommand(socket: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const client = connect(socket, () => client.end(`${command}\n`));
    client.setEncoding('utf8').on('data', (text: string) => {
      answer += text;
    });
    client.once('error', reject);
    client.once('close', () => resolve(answer));
  });
}
