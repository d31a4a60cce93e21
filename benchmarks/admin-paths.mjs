// What the admin listener adds to each path, in one process and without a network: a record with the spans it
// becomes, an unsampled record, and a NOTIFY with its ACK; with what is counted and stored for it, and without. Rounds
// are interleaved; CPU time; minimum, median and maximum of the ratios. Needs `npm run build`.
//
//     node benchmarks/admin-paths.mjs [rounds]
import { Duplex } from 'node:stream';
import { HopObserver } from '../dist/admin/observer.js';
import { Minter } from '../dist/context/mint.js';
import { Sampler } from '../dist/context/sampling.js';
import { Connection } from '../dist/spop/connection.js';
import { OtlpSpans } from '../dist/telemetry/otlp/otlp-spans.js';
import { Pipeline } from '../dist/telemetry/pipeline.js';
import { createResource } from '../dist/telemetry/resource.js';
import { writeSpans } from '../dist/telemetry/spans/span-writer.js';
import { MintMeter } from '../dist/threads/mint-meter.js';
import { MintNumbers } from '../dist/threads/mint-numbers.js';
import { HELLO, notify, PLAIN, recordLine } from './inputs.mjs';
import { spread } from './spread.mjs';

const rounds = Number(process.argv[2] ?? 15);
const RECORDS = 40_000;
const RECORDS_A_SECOND = 5_000;
const NOTIFIES = 100_000;
/** NOTIFYs in a chunk: one is what an idle HAProxy sends, some what a busy one does. */
const CHUNKS = [1, 8];
const BATCH = 2_048;

const SAMPLER = { name: 'parentbased_always_on', ratio: 1 };
const scope = {
  resource: await createResource({ 'service.name': 'bench' }),
  instrumentationScope: { name: 'bench', version: '0' },
};

const lines = (flags) =>
  Array.from({ length: 512 }, (_, number) => Buffer.from(recordLine(number, flags)));

/** Of all threads, the collector's among them: whoever else works on the machine does not count. */
function cpuMicroseconds() {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Microseconds a record, of `RECORDS`. */
function recordPath(all, withAdmin) {
  const spans = new OtlpSpans(scope);
  const exporter = {
    add(record, hop) {
      writeSpans(spans, record, hop);
      if (spans.count >= BATCH) spans.finishRequest();
    },
  };
  const observer = new HopObserver();
  const pipeline = new Pipeline(
    { keep: {}, baggageKeys: [], connectionErrorSpans: false },
    { exporter, logs: undefined },
    new Sampler(SAMPLER),
    {
      onUnusable: (line) => {
        throw new Error(line);
      },
      onDroppedByHaproxy: () => {},
      ...(withAdmin ? { onHop: observer.observe } : {}),
    },
  );
  const started = cpuMicroseconds();
  for (let i = 0; i < RECORDS; i += 1) {
    if (i % RECORDS_A_SECOND === 0) observer.tick(Date.now());
    const line = all[i % all.length];
    pipeline.processLine(line, 0, line.length);
  }
  return (cpuMicroseconds() - started) / RECORDS;
}

const NOTIFY = notify(1, 1, PLAIN);

/** Microseconds a NOTIFY, of `NOTIFIES`. */
function mintPath(chunkSize, withAdmin) {
  const minter = new Minter(new Sampler(SAMPLER));
  const meter = withAdmin ? new MintMeter(new MintNumbers(), () => minter.minted) : undefined;
  meter?.start(() => minter.counts);
  const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const limits = { maxFrameSize: 65_536, helloTimeout: 60_000, maxUnread: 1 << 20 };
  const events = meter === undefined ? {} : { onAnswered: meter.answered };
  const connection = new Connection(stream, minter.handle, limits, events);
  stream.emit('data', HELLO);
  const chunk = Buffer.concat(Array.from({ length: chunkSize }, () => NOTIFY));
  const started = cpuMicroseconds();
  for (let i = 0; i < NOTIFIES / chunkSize; i += 1) stream.emit('data', chunk);
  const took = (cpuMicroseconds() - started) / NOTIFIES;
  connection.stop();
  stream.destroy();
  meter?.stop();
  return took;
}

const sampled = lines('03');
const unsampled = lines('02');
const paths = {
  'sampled record with its spans': (on) => recordPath(sampled, on),
  'unsampled record': (on) => recordPath(unsampled, on),
  ...Object.fromEntries(
    CHUNKS.map((size) => [`NOTIFY, ${size} in a chunk`, (on) => mintPath(size, on)]),
  ),
};

console.log(`${rounds} interleaved rounds; minimum / median / maximum`);
for (const [name, measure] of Object.entries(paths)) {
  for (let i = 0; i < 3; i += 1) for (const on of [false, true]) measure(on);
  const off = [];
  const on = [];
  for (let round = 0; round < rounds; round += 1) {
    // The order alternates.
    for (const admin of round % 2 === 0 ? [false, true] : [true, false]) {
      (admin ? on : off).push(measure(admin));
    }
  }
  const ratios = on.map((value, i) => value / off[i]);
  console.log(
    `${name}: without ${spread(off, 2)} us, with ${spread(on, 2)} us, ratio ${spread(ratios, 3)}`,
  );
}
