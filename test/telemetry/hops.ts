import { connect } from 'node:net';
import { expect } from 'vitest';
import { OtlpSpanKind } from '../../src/demo/otlp-receiver.ts';
import type { AgentProcess } from '../agent-process.ts';
import type { OtlpReceiver } from '../otlp-receiver.ts';
import { hopOf, octetCounted, recordLine } from '../records/lines.ts';

/** Sends the records of these hops as HAProxy's ring does, with changes to the fields of each. */
export async function send(
  agent: AgentProcess,
  from: number,
  to: number,
  changes: (index: number) => Readonly<Record<string, unknown>> = () => ({}),
): Promise<void> {
  const port = Number(String(agent.logged('ready')?.records).split(':').at(-1));
  const socket = connect(port, '127.0.0.1');
  for (let first = from; first < to; first += 500) {
    const indices = Array.from({ length: Math.min(500, to - first) }, (_, i) => first + i);
    const text = indices.map((i) => octetCounted(recordLine(hopOf(i), changes(i)))).join('');
    if (!socket.write(text)) await new Promise<void>((resolve) => socket.once('drain', resolve));
  }
  await new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
    socket.end();
  });
}

/** Every hop from `from` to `to` is there with both of its spans, exactly once. */
export function expectExactly(receiver: OtlpReceiver, from: number, to: number): void {
  for (const kind of [OtlpSpanKind.SERVER, OtlpSpanKind.CLIENT]) {
    expect(receiver.spans.filter((span) => span.kind === kind)).toHaveLength(to - from);
  }
  expectTraces(receiver, from, to);
}

/** Every hop from `from` to `to` is there with both of its spans, at least once. */
export function expectTraces(receiver: OtlpReceiver, from: number, to: number): void {
  for (const kind of [OtlpSpanKind.SERVER, OtlpSpanKind.CLIENT]) {
    const spans = receiver.spans.filter((span) => span.kind === kind);
    const traces = new Set(spans.map(({ traceId }) => traceId));
    const indices = Array.from({ length: to - from }, (_, i) => from + i);
    expect(indices.filter((i) => !traces.has(hopOf(i).slice(0, 32)))).toEqual([]);
  }
}
