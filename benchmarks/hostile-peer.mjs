// One hostile peer of an agent, until it is ended.
//
//     node benchmarks/hostile-peer.mjs KIND SPOP RECORDS ADMIN
import { randomBytes } from 'node:crypto';
import { get } from 'node:http';
import { connect } from 'node:net';
import { HELLO, notify, PLAIN } from './inputs.mjs';

const [kind, ...addresses] = process.argv.slice(2);
const [spop, records, admin] = addresses.map(Number);

const NOTIFY = notify(1, 1, PLAIN);
const MANY = Buffer.concat(Array.from({ length: 64 }, () => NOTIFY));
const RANDOM = randomBytes(65_536);
const ENDLESS = Buffer.from(`<134>1 ${'a'.repeat(65_536)}`);
/** A HAProxy does not come again at once either. Milliseconds. */
const PAUSE = 20;

/** Opens a connection, and another one in its place whenever it ends. */
function again(port, onConnect, pause = PAUSE) {
  const socket = connect(port, '127.0.0.1', () => onConnect(socket));
  socket.on('error', () => {});
  socket.once('close', () => setTimeout(() => again(port, onConnect, pause), pause));
  return socket;
}

function times(count, open) {
  for (let i = 0; i < count; i += 1) open(i);
}

/** Writes as fast as the peer takes it. */
function flood(socket, bytes) {
  const write = () => {
    while (!socket.destroyed && socket.write(bytes));
  };
  socket.on('drain', write);
  write();
}

const KINDS = {
  /** As many connections as it gets, with and without a HELLO. */
  connections() {
    times(4_500, (i) => again(spop, (socket) => i % 2 && socket.write(HELLO)).resume());
    times(1_200, () => again(records, () => {}).resume());
  },
  'half frames'() {
    times(200, () =>
      again(spop, (socket) => {
        socket.write(HELLO);
        socket.write(NOTIFY.subarray(0, NOTIFY.length / 2));
      }).resume(),
    );
  },
  'answers unread'() {
    times(8, () =>
      again(spop, (socket) => {
        socket.pause();
        socket.write(HELLO);
        flood(socket, MANY);
      }),
    );
  },
  garbage() {
    times(16, (i) => again(i % 2 ? spop : records, (socket) => flood(socket, RANDOM)).resume());
  },
  trickle() {
    const bytes = Buffer.concat([HELLO, NOTIFY]);
    times(200, (i) =>
      again(i % 2 ? spop : records, (socket) => {
        socket.setNoDelay(true);
        let position = 0;
        const timer = setInterval(() => {
          if (socket.destroyed) clearInterval(timer);
          else socket.write(bytes.subarray(position, position + 1));
          position = (position + 1) % bytes.length;
        }, 10);
      }).resume(),
    );
  },
  'endless lines'() {
    times(8, () => again(records, (socket) => flood(socket, ENDLESS)).resume());
  },
  'asking admin'() {
    const paths = ['/metrics', '/', '/api/hops', '/readyz'];
    const next = (i) =>
      get({ port: admin, path: paths[i % paths.length], agent: false }, (response) => {
        response.resume().once('close', () => next(i + 1));
      }).on('error', () => setTimeout(() => next(i + 1), PAUSE));
    times(16, next);
  },
  /** A ClientHello is announced and never comes, or the connection is left at once. */
  handshakes() {
    const head = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc]);
    times(400, (i) =>
      again(i % 2 ? spop : records, (socket) => {
        socket.write(head);
        if (i % 4 > 1) socket.destroySoon();
      }).resume(),
    );
  },
};

KINDS[kind]();
process.on('disconnect', () => process.exit());
process.send('ready');
