// What does a hostile peer cost the others? A peer that behaves as HAProxy does, at a fixed rate, connects and asks an
// agent: alone, beside each hostile peer of the same agent, and beside the same hostile peer of another agent, whose
// ratio is what it costs as a program that uses the same cores. Turns are interleaved; each ratio is to `alone` of the
// same round. Needs `npm run build`.
//
//     node benchmarks/hostile.mjs [questions/s] [seconds] [rounds] [one kind]
import { readdirSync, rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { freePort } from '../dist/demo/ports.js';
import { GoodPeer } from './good-peer.mjs';
import { markdownTable } from './markdown.mjs';
import { ask, residentMemory, startAgent, startScript, stop } from './processes.mjs';
import { spread } from './spread.mjs';

const KINDS = [
  'connections',
  'half frames',
  'answers unread',
  'garbage',
  'trickle',
  'endless lines',
  'asking admin',
  'handshakes',
];
/** Milliseconds: how long descriptors are to be as many, at most; for what a hostile peer left to be closed. */
const STEADY = 500;
const BEGIN = 15_000;
const SETTLE = 1_500;

/** Of memory and descriptors. */
const MOMENTS = ['before', 'most', 'after'];

const [rate = 500, seconds = 3, rounds = 3] = process.argv.slice(2, 5).map(Number);
const kinds = process.argv[5] === undefined ? KINDS : [process.argv[5]];
const folder = await mkdtemp(join(tmpdir(), 'haproxy-otel-hostile-'));

/** An agent, with TLS or without, and its receiver. */
async function startTarget(tls) {
  const [spop, records, admin] = [await freePort(), await freePort(), await freePort()];
  const receiver = await startScript('receiver.mjs');
  const { child, lines } = await startAgent({
    HAPROXY_OTEL_SPOP: `127.0.0.1:${spop}`,
    HAPROXY_OTEL_RECORDS: `127.0.0.1:${records}`,
    HAPROXY_OTEL_ADMIN: `127.0.0.1:${admin}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.hello.endpoint,
    OTEL_BSP_SCHEDULE_DELAY: '200',
    ...tls?.env,
  });
  return { spop, records, admin, receiver, child, lines, tls: tls?.client };
}

/** Certificates of the agent and of a peer, of one authority. */
async function createTls() {
  const ca = await generate([{ name: 'commonName', value: 'hostile-ca' }], {
    extensions: [{ name: 'basicConstraints', cA: true }],
  });
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], {
    ca: { key: ca.private, cert: ca.cert },
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
  });
  const files = { certificate: cert, key, client_ca: ca.cert };
  const env = {};
  for (const [name, text] of Object.entries(files)) {
    env[`HAPROXY_OTEL_TLS_${name.toUpperCase()}`] = join(folder, name);
    await writeFile(join(folder, name), text);
  }
  return { env, client: { ca: ca.cert, cert, key, servername: 'localhost' } };
}

const descriptors = (pid) => readdirSync(`/proc/${pid}/fd`).length;
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Resolves when a hostile peer has as many descriptors as it can get. */
async function steady(pid) {
  let [open, since] = [0, 0];
  const began = performance.now();
  while (performance.now() - Math.max(since, began) < STEADY && performance.now() - began < BEGIN) {
    const now = descriptors(pid);
    if (Math.abs(now - open) > open / 100) [open, since] = [now, performance.now()];
    await pause(50);
  }
}

/** One turn of the good peer, with whatever hostile peer of `attacked` beside it. */
async function turn(target, kind, attacked) {
  const { pid } = target.child;
  const before = { memory: residentMemory(pid), descriptors: descriptors(pid) };
  const { hops } = await ask(target.receiver, 'count');
  const hostile =
    kind &&
    (await startScript(
      'hostile-peer.mjs',
      [kind, attacked.spop, attacked.records, attacked.admin].map(String),
    ));
  if (hostile) await steady(attacked.child.pid);
  const peer = new GoodPeer(target);
  await peer.open();
  const result = await peer.load(rate, seconds);
  const most = { memory: residentMemory(pid), descriptors: descriptors(pid) };
  if (hostile) await stop(hostile.child);
  await pause(SETTLE);
  peer.close();
  const arrived = (await ask(target.receiver, 'count')).hops - hops;
  await pause(SETTLE);
  const after = { memory: residentMemory(pid), descriptors: descriptors(pid) };
  return { ...result, missing: result.records - arrived, before, most, after };
}

const tls = await createTls();
const plain = { target: await startTarget(), other: await startTarget() };
const secured = { target: await startTarget(tls), other: await startTarget(tls) };
const results = new Map(kinds.map((kind) => [kind, { here: [], elsewhere: [] }]));
try {
  const known = [plain, secured].map(({ target }) => target);
  for (const target of known) await turn(target);
  for (let round = 0; round < rounds; round += 1) {
    const alone = new Map();
    for (const target of known) alone.set(target, await turn(target));
    for (const [kind, { here, elsewhere }] of results) {
      const { target, other } = kind === 'handshakes' ? secured : plain;
      const compare = (result) => ({ ...result, alone: alone.get(target) });
      elsewhere.push(compare(await turn(target, kind, other)));
      here.push(compare(await turn(target, kind, target)));
    }
  }
} finally {
  for (const { target, other } of [plain, secured]) {
    for (const { child, receiver } of [target, other]) {
      await stop(child);
      await stop(receiver.child);
    }
  }
  rmSync(folder, { recursive: true });
}

const ratios = (turns, name) =>
  spread(
    turns.map((each) => each[name] / each.alone[name]),
    2,
  );
const most = (turns, of) => Math.round(Math.max(...turns.map(of)));
const HEAD = [
  'Hostile peer',
  'p50',
  'p50, elsewhere',
  'p99',
  'p99, elsewhere',
  'Lost answers',
  'Missing hops',
  'MiB',
  'Descriptors',
];
const rows = [...results].map(([kind, { here, elsewhere }]) => [
  kind,
  ratios(here, 'p50'),
  ratios(elsewhere, 'p50'),
  ratios(here, 'p99'),
  ratios(elsewhere, 'p99'),
  `${most(here, ({ lost }) => lost)} of ${here[0].sent}`,
  `${most(here, ({ missing }) => missing)}`,
  MOMENTS.map((at) => most(here, (each) => each[at].memory)).join(' / '),
  MOMENTS.map((at) => most(here, (each) => each[at].descriptors)).join(' / '),
]);
console.log(markdownTable([HEAD, ...rows]));
