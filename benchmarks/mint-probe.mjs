// How long does a NOTIFY wait for its ACK while others use the agent? One at a time, about a thousand a second, on a
// connection of its own. Reported to the parent process in milliseconds, from its message `start` to its message
// `report`.
//
//     node benchmarks/mint-probe.mjs PORT
import { connect } from 'node:net';
import { HELLO, notify, PLAIN } from './inputs.mjs';
import { histogramOf, percentilesOf } from './spread.mjs';

const PAUSE = 1;
const NOTIFY = notify(1, 1, PLAIN);

let waits = [];
let sent = 0;
const ask = () => {
  sent = performance.now();
  socket.write(NOTIFY);
};

const socket = connect(Number(process.argv[2]), '127.0.0.1').setNoDelay(true);
socket.write(HELLO);
socket.once('data', () => {
  // A frame of this size comes whole.
  socket.on('data', () => {
    waits.push(performance.now() - sent);
    setTimeout(ask, PAUSE);
  });
  ask();
  process.send('ready');
});

process.on('message', (message) => {
  if (message === 'start') {
    waits = [];
    return;
  }
  process.send(percentilesOf(histogramOf(waits)));
});
