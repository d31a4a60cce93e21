// A HAProxy that behaves: SPOP connections with a fixed rate of questions, and a ring with a record for each.
import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { FrameSplitter } from '../dist/spop/splitter.js';
import { HELLO, notify, PLAIN, recordLine } from './inputs.mjs';
import { histogramOf, percentilesOf } from './spread.mjs';

const CONNECTIONS = 8;
const MAX_FRAME = 65_536;
/** As HAProxy connects a ring again, in milliseconds. */
const RECONNECT = 1_000;
/** An answer that comes later is lost, in milliseconds; `timeout processing` is less, but not on a busy machine. */
const PATIENCE = 1_000;
/** Of an ACK: its type, flags, and the id of its stream, which is one byte here. */
const STREAM_ID = 5;
const ACK = 103;

export class GoodPeer {
  /** @param tls of both listeners, where they have it */
  constructor({ spop, records, tls }) {
    this.connect = (port) =>
      tls ? connectTls({ ...tls, port, host: '127.0.0.1' }) : connect(port, '127.0.0.1');
    this.ports = { spop, records };
    this.connections = [];
    this.waits = [];
    this.lost = 0;
    this.sent = 0;
    this.records = 0;
    /** Records that wait for the ring's connection. */
    this.waiting = [];
  }

  /** Opens connections as after a reload: those that are refused are tried again with each question. */
  async open() {
    await this.openRing();
    for (let i = 0; i < CONNECTIONS; i += 1) this.connections.push(this.openSpop());
    await Promise.race([
      Promise.all(this.connections.map(({ ready }) => ready)),
      new Promise((resolve) => setTimeout(resolve, PATIENCE)),
    ]);
  }

  async openRing() {
    const ring = this.connect(this.ports.records).setNoDelay(true);
    ring.on('error', () => {});
    ring.resume();
    ring.once('close', () => {
      this.ring = undefined;
      if (!this.isClosed) setTimeout(() => this.openRing(), RECONNECT);
    });
    await once(ring, ring.encrypted ? 'secureConnect' : 'connect').catch(() => {});
    if (ring.destroyed) return;
    this.ring = ring;
    for (const line of this.waiting.splice(0)) this.record(line);
  }

  record(line) {
    if (this.ring === undefined) this.waiting.push(line);
    else this.ring.write(`${line.length} ${line}`);
  }

  openSpop() {
    const socket = this.connect(this.ports.spop).setNoDelay(true);
    const connection = { socket, asked: new Map(), isOpen: false, next: 0 };
    const splitter = new FrameSplitter(MAX_FRAME);
    connection.ready = new Promise((resolve) => {
      const onFrame = (buffer, start) => {
        if (buffer[start] === ACK) this.answered(connection, buffer[start + STREAM_ID]);
        else connection.isOpen = buffer[start] === 101;
        resolve();
      };
      socket.on('data', (chunk) => splitter.push(chunk, onFrame));
      socket.once('close', resolve);
    });
    socket.on('error', () => {});
    socket.once('close', () => {
      connection.isOpen = false;
    });
    socket.write(HELLO);
    return connection;
  }

  answered({ asked }, id) {
    this.waits.push(performance.now() - asked.get(id));
    asked.delete(id);
  }

  ask() {
    const index = this.sent % CONNECTIONS;
    this.sent += 1;
    let connection = this.connections[index];
    if (connection.socket.destroyed) {
      this.lost += connection.asked.size;
      connection = this.openSpop();
      this.connections[index] = connection;
    }
    if (!connection.isOpen) {
      this.lost += 1;
      return;
    }
    connection.next = (connection.next + 1) % 128;
    connection.asked.set(connection.next, performance.now());
    connection.socket.write(notify(connection.next, 1, PLAIN));
    this.records += 1;
    this.record(recordLine(this.sent));
  }

  /** @returns percentiles in milliseconds, questions and those without an answer, records */
  async load(rate, seconds) {
    const started = performance.now();
    for (let due = 0; due < rate * seconds; ) {
      const wanted = Math.min(((performance.now() - started) * rate) / 1_000, rate * seconds);
      for (; due < wanted; due += 1) this.ask();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await new Promise((resolve) => setTimeout(resolve, PATIENCE));
    const open = this.connections.reduce((sum, { asked }) => sum + asked.size, 0);
    const { waits, sent, records } = this;
    return { ...percentilesOf(histogramOf(waits)), sent, records, lost: this.lost + open };
  }

  close() {
    this.isClosed = true;
    for (const { socket } of this.connections) socket.destroy();
    this.ring?.end();
  }
}
