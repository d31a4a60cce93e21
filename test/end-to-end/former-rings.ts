import { connect, type Socket } from 'node:net';
import { until } from '../agent-process.ts';
import { PROBE } from './chain.ts';

/** Lines of other threads of HAProxy between two of one thread. */
const INTERLEAVED = 8;

/** A worker's message about each of its frontends, which may come to the agent. */
const STOPPED = / Proxy \S+ stopped /g;

type Left = { readonly left: number; readonly messages: number; readonly workersLost: number };

/** The last line of what an interactive connection answers. */
const PROMPT = '\n> ';

/**
 * What rings of HAProxy's workers hold that were stopped: HAProxy stops to read a ring as soon as its process is to stop, so
 * the last records that were written before are in it for good. Its Runtime API still has them, over a connection from
 * before.
 */
export class FormerRings {
  private readonly connections: { readonly socket: Socket; text: string; isOpen: boolean }[] = [];

  /** To be called before each reload. @param stats the socket of the worker that runs */
  async watch(stats: string): Promise<void> {
    const socket = connect(stats);
    const connection = { socket, text: '', isOpen: true };
    this.connections.push(connection);
    socket.setEncoding('latin1').on('data', (text: string) => {
      connection.text += text;
    });
    socket
      .once('error', () => {})
      .once('close', () => {
        connection.isOpen = false;
      });
    socket.write('prompt\n');
    await until('the prompt of a worker', () => connection.text.endsWith(PROMPT));
  }

  /**
   * Ends the connections, by which workers may end.
   *
   * @param exported ids of SERVER spans
   * @returns how many hops are left in rings, how many workers ended before, and how many lines were no hops
   */
  async count(exported: ReadonlySet<string>): Promise<Left> {
    let left = 0;
    let messages = 0;
    let workersLost = 0;
    for (const connection of this.connections) {
      connection.text = '';
      connection.socket.write('show events otel\n');
      await until('the ring of a former worker', () => {
        return !connection.isOpen || connection.text.endsWith(PROMPT);
      });
      if (connection.isOpen) {
        left += leftIn(connection.text, exported);
        messages += connection.text.match(STOPPED)?.length ?? 0;
      } else workersLost += 1;
      connection.socket.destroy();
    }
    return { left, messages, workersLost };
  }
}

/** What was not exported of the end of a ring: behind it are only those that went by datagram. */
function leftIn(ring: string, exported: ReadonlySet<string>): number {
  const ids = ring
    .split('\n')
    .filter((line) => !line.includes(PROBE))
    .flatMap((line) => /http="\d+ \d \d [0-9a-f]{32}-([0-9a-f]{16})-/.exec(line)?.[1] ?? []);
  let left = 0;
  let between = 0;
  for (const id of ids.reverse()) {
    if (!exported.has(id)) {
      left += 1;
      between = 0;
    } else if (left > 0) {
      between += 1;
      if (between > INTERLEAVED) break;
    }
  }
  return left;
}
