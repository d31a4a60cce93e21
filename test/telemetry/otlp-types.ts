import { createRequire } from 'node:module';
import type { Type } from 'protobufjs';

// OpenTelemetry's own generated types: what this project encodes is read by code that is not its own.
const root = createRequire(import.meta.url)(
  '@opentelemetry/otlp-proto-exporter-base/build/src/generated/root.js',
);
const { trace, metrics, logs } = root.opentelemetry.proto.collector;

type Codec = { readonly request: Type; readonly response: Type };

/** Requests and responses of each signal. */
export const OTLP_TYPES: Readonly<Record<'traces' | 'metrics' | 'logs', Codec>> = {
  traces: {
    request: trace.v1.ExportTraceServiceRequest,
    response: trace.v1.ExportTraceServiceResponse,
  },
  metrics: {
    request: metrics.v1.ExportMetricsServiceRequest,
    response: metrics.v1.ExportMetricsServiceResponse,
  },
  logs: {
    request: logs.v1.ExportLogsServiceRequest,
    response: logs.v1.ExportLogsServiceResponse,
  },
};

export type WireValue = Readonly<Record<string, unknown>>;
export type WireAttributes = readonly { readonly key: string; readonly value?: WireValue }[];

/** Attributes as they are decoded, whole numbers as texts. */
export function attributesOf(attributes: WireAttributes): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, attributeValue(value)]));
}

export function attributeValue(value: WireValue = {}): unknown {
  const { intValue, arrayValue, ...others } = value;
  if (intValue !== undefined) return Number(intValue);
  if (arrayValue === undefined) return Object.values(others)[0];
  return (arrayValue as { readonly values: readonly WireValue[] }).values.map(attributeValue);
}

type DecodedSpan = { readonly traceId: string; readonly spanId: string; readonly name: string };

/** The spans of a request, ids in hexadecimal. */
export function spansIn(request: Uint8Array): DecodedSpan[] {
  const decoded = OTLP_TYPES.traces.request.toObject(OTLP_TYPES.traces.request.decode(request), {
    bytes: Buffer,
    arrays: true,
  });
  const spans = decoded.resourceSpans.flatMap(
    ({ scopeSpans }: { scopeSpans: { spans: Record<string, unknown>[] }[] }) =>
      scopeSpans.flatMap(({ spans }) => spans),
  );
  return spans.map((span: { traceId: Buffer; spanId: Buffer; name: string }) => ({
    traceId: span.traceId.toString('hex'),
    spanId: span.spanId.toString('hex'),
    name: span.name,
  }));
}
