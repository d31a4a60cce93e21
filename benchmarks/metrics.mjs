// What do metrics cost a hop, sampled or not, and what does a line of an unsampled one cost with and without them?
import { loadConfig } from '../dist/config/config.js';
import { RecordParser } from '../dist/records/record-parser.js';
import { createPipeline } from '../dist/telemetry/create-pipeline.js';
import { HopMetrics } from '../dist/telemetry/metrics/hop-metrics.js';
import { recordLine } from './inputs.mjs';
import { measure } from './micro.mjs';

const TIMES = 64;

/** Lines as they lie in what a ring sent: the chunk, and where each of them starts and ends. */
function lines(flags, changes = () => ({})) {
  const texts = Array.from({ length: TIMES }, (_, i) => recordLine(i, flags, changes(i)));
  let start = 0;
  const places = texts.map((text) => {
    const place = [start, start + text.length];
    start += text.length + 1;
    return place;
  });
  return { chunk: Buffer.from(texts.join('\n')), places };
}

/** 4 backends with 4 servers each, 4 methods, 2 statuses. */
const MIXED = (i) => ({
  backend: `app${i % 4}`,
  server: `server${(i >> 2) % 4}`,
  method: ['GET', 'POST', 'PUT', 'DELETE'][(i >> 1) % 4],
  status: i % 8 === 0 ? 404 : 200,
});

const one = lines('02');
const mixed = lines('02', MIXED);
const log = new RecordParser();
const now = () => Date.now() * 1000;
const metricsWith = (options) =>
  new HopMetrics({
    temporality: 'cumulative',
    exponential: false,
    exemplarFilter: 'trace_based',
    now,
    onOverflow: () => {},
    ...options,
  });

/** Records of their own, so that only what is done with them is measured. */
function recordsOf({ chunk, places }) {
  return places.map(([start, end]) => new RecordParser().parse(chunk, start, end));
}

function observing(records, metrics, exported) {
  return () => {
    for (const record of records) metrics.observe(record, record.hop, exported);
  };
}

async function pipelineWith(env) {
  const { telemetry } = loadConfig({ OTEL_TRACES_EXPORTER: 'none', ...env });
  const { pipeline } = await createPipeline(telemetry, console);
  return ({ chunk, places }) =>
    () => {
      for (const [start, end] of places) pipeline.processLine(chunk, start, end);
    };
}

const without = await pipelineWith({});
const withMetrics = await pipelineWith({ OTEL_METRICS_EXPORTER: 'prometheus' });
let seen = 0;

export const results = measure(import.meta.url, TIMES, {
  'metrics: all of one hop': observing(recordsOf(one), metricsWith({}), false),
  'metrics: all of one hop, with exemplars': observing(recordsOf(one), metricsWith({}), true),
  'metrics: all of one hop, of 16 servers': observing(recordsOf(mixed), metricsWith({}), true),
  'metrics: all of one hop, exponential': observing(
    recordsOf(one),
    metricsWith({ exponential: true }),
    true,
  ),
  'line of an unsampled hop, without metrics': without(one),
  'line of an unsampled hop, its record alone': () => {
    for (const [start, end] of one.places) seen += log.parse(one.chunk, start, end).statusCode;
  },
  'line of an unsampled hop, with metrics': withMetrics(one),
  'line of an unsampled hop, with metrics, of 16 servers': withMetrics(mixed),
});
if (seen === 0) throw new Error('nothing was read');
