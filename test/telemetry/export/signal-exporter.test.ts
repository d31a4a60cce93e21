import protobuf from 'protobufjs';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/config.ts';
import { type OtlpHandler, OtlpServer } from '../../../src/demo/otlp-receiver.ts';
import { SIGNAL_NAMES, type Signal } from '../../../src/telemetry/config.ts';
import { ExporterStatus } from '../../../src/telemetry/export/exporter-status.ts';
import type { QueueEvent } from '../../../src/telemetry/export/queue-report.ts';
import { createSignalExporter } from '../../../src/telemetry/export/signal-exporter.ts';
import { until } from '../../agent-process.ts';
import { afterwards } from '../exporting-agent.ts';

/** As each signal's service answers: its own message, of the same shape. */
const Response = protobuf
  .parse(
    `syntax = "proto3";
    message Response { Partial partial_success = 1; }
    message Partial { int64 rejected = 1; string error_message = 2; }`,
  )
  .root.lookupType('Response');

/** A gRPC server with the services of all signals, that answers with `response`. */
async function serveAll(response: Buffer) {
  const calls: { signal: Signal; token: unknown; body: string }[] = [];
  const handlerOf =
    (signal: Signal): OtlpHandler =>
    (request, metadata) => {
      calls.push({ signal, token: metadata.get('token')[0], body: request.toString() });
      return response;
    };
  const server = await OtlpServer.start(
    Object.fromEntries(SIGNAL_NAMES.map((signal) => [signal, handlerOf(signal)])),
  );
  afterwards(() => server.stop());
  return { endpoint: server.endpoint, calls };
}

function exporterOf(signal: Signal, endpoint: string) {
  const name = signal.toUpperCase();
  const config = loadConfig({
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
    OTEL_EXPORTER_OTLP_HEADERS: 'token=common',
    [`OTEL_${name}_EXPORTER`]: 'otlp',
    [`OTEL_EXPORTER_OTLP_${name}_ENDPOINT`]: endpoint,
    [`OTEL_EXPORTER_OTLP_${name}_HEADERS`]: `token=${signal}`,
  }).telemetry.exporters[signal];
  if (config.kind !== 'otlp') throw new Error(config.kind);
  const events: QueueEvent[] = [];
  const exporter = createSignalExporter(signal, config, {
    limits: { items: 1000, bytes: 1_000_000 },
    status: new ExporterStatus(config),
    onEvent: (event) => events.push(event),
  });
  return { exporter, events };
}

describe.each(SIGNAL_NAMES)('%s', (signal) => {
  test('go to their own service, with their own settings, and rejected items are counted', async () => {
    const response = Response.encode({ partialSuccess: { rejected: 3, errorMessage: 'too old' } });
    const { endpoint, calls } = await serveAll(Buffer.from(response.finish()));
    const { exporter, events } = exporterOf(signal, endpoint);
    exporter.push({ bytes: Buffer.from('request'), items: 10 });
    expect(exporter.waiting).toBe(10);
    await until('the answer', () => exporter.waiting === 0);
    expect(calls).toEqual([{ signal, token: signal, body: 'request' }]);
    expect(exporter.counts).toMatchObject({ exported: 7, refused: 3, dropped: 0 });
    expect(events).toEqual([{ kind: 'refused', reason: 'too old' }]);
  });
});

test.each(SIGNAL_NAMES)('%s: a message alone is a warning, and counted', async (signal) => {
  const response = Response.encode({ partialSuccess: { errorMessage: 'use less' } });
  const { endpoint } = await serveAll(Buffer.from(response.finish()));
  const { exporter, events } = exporterOf(signal, endpoint);
  for (let i = 0; i < 3; i += 1) exporter.push({ bytes: Buffer.from('request'), items: 10 });
  await until('the answers', () => exporter.waiting === 0);
  expect(exporter.counts).toMatchObject({ exported: 30, refused: 0, warnings: 3 });
  expect(events).toEqual([{ kind: 'warned', reason: 'use less' }]);
});

test('metrics and logs are exported only where that is asked for', () => {
  const { exporters } = loadConfig({}).telemetry;
  expect([exporters.traces.kind, exporters.metrics, exporters.logs]).toEqual([
    'otlp',
    { kind: 'none' },
    { kind: 'none' },
  ]);
  expect(loadConfig({ OTEL_METRICS_EXPORTER: 'prometheus' }).telemetry.exporters.metrics).toEqual({
    kind: 'prometheus',
  });
  expect(() => loadConfig({ OTEL_LOGS_EXPORTER: 'prometheus' })).toThrow(
    'OTEL_LOGS_EXPORTER is "prometheus": one of otlp, console, none is accepted',
  );
});
