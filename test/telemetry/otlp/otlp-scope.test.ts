import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeHead } from '../../../src/telemetry/otlp/batch.ts';
import { encodeScope } from '../../../src/telemetry/otlp/otlp-scope.ts';
import { createResource, type SpanScope } from '../../../src/telemetry/resource.ts';
import { ReadableSpans } from '../../../src/telemetry/spans/readable-spans.ts';
import { writeSpans } from '../../../src/telemetry/spans/span-writer.ts';
import { OTLP_TYPES } from '../otlp-types.ts';
import { record } from '../records.ts';

const NAMES = {
  traces: ['resourceSpans', 'scopeSpans'],
  metrics: ['resourceMetrics', 'scopeMetrics'],
  logs: ['resourceLogs', 'scopeLogs'],
} as const;

/** What a receiver of a signal reads of resource and scope. */
function read(signal: keyof typeof NAMES, request: Uint8Array): unknown {
  const { request: type } = OTLP_TYPES[signal];
  const [outer, inner] = NAMES[signal];
  const [ofResource] = type.toObject(type.decode(request), { longs: String, defaults: true })[
    outer
  ];
  return { resource: ofResource.resource, scope: ofResource[inner][0].scope };
}

/** The same from our encoder, as each signal has it, and from the SDK's serializer. */
function expectSame(scope: SpanScope): void {
  const own = encodeScope(scope);
  const request = encodeHead(own.resource, own.scope, 0);
  const readable = new ReadableSpans(scope);
  writeSpans(readable, ...record({}));
  const stock = ProtobufTraceSerializer.serializeRequest(readable.drain()) ?? new Uint8Array();
  for (const signal of ['traces', 'metrics', 'logs'] as const) {
    expect(read(signal, request)).toEqual(read('traces', stock));
  }
}

test("resource and scope are what the SDK's serializer writes", async () => {
  expectSame({
    resource: await createResource({ 'service.name': 'haproxy', 'deployment.environment': '' }),
    instrumentationScope: { name: 'haproxy-otel-spoa', version: '1.2.3' },
  });
});

test('so is any resource', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 300 });
  const value = fc.oneof(text, fc.boolean(), fc.maxSafeInteger(), fc.array(text, { maxLength: 5 }));
  const name = fc.string({ minLength: 1, maxLength: 50 }).filter((key) => key !== '__proto__');
  fc.assert(
    fc.property(fc.dictionary(name, value), text, (attributes, version) => {
      const resource = resourceFromAttributes(attributes);
      expectSame({ resource, instrumentationScope: { name: 'agent', version } });
    }),
    { seed: 7, numRuns: 200 },
  );
});
