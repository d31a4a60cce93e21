import { OtlpSpanKind, OtlpStatus, type ReceivedSpan } from './otlp-receiver.ts';

const BAR = 28;
const LABEL = 52;

/** One trace as indented lines, each span with its time and where in the trace it lies. */
export function formatTrace(title: string, spans: readonly ReceivedSpan[]): string {
  const start = spans.map((span) => span.start).sort(ascending)[0] ?? 0n;
  const end =
    spans
      .map((span) => span.end)
      .sort(ascending)
      .at(-1) ?? 0n;
  const known = new Set(spans.map((span) => span.spanId));
  const roots = spans.filter((span) => !known.has(span.parentSpanId));
  const lines = [`${title}   trace ${spans[0]?.traceId ?? ''}`];
  const walk = (span: ReceivedSpan, depth: number): void => {
    lines.push(formatSpan(span, depth, start, end));
    for (const child of spans.filter(({ parentSpanId }) => parentSpanId === span.spanId)) {
      walk(child, depth + 1);
    }
  };
  for (const root of roots) {
    if (root.parentSpanId !== '') lines.push(`  (caller's span ${root.parentSpanId})`);
    walk(root, root.parentSpanId === '' ? 0 : 1);
  }
  return `${lines.join('\n')}\n`;
}

function ascending(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function formatSpan(span: ReceivedSpan, depth: number, start: bigint, end: bigint): string {
  const kind = span.kind === OtlpSpanKind.CLIENT ? 'CLIENT' : 'SERVER';
  const branch = depth === 0 ? '' : `${'   '.repeat(depth - 1)}└─ `;
  const label = `  ${branch}${span.resource['service.name']} ${kind} ${span.name}`;
  const milliseconds = (Number(span.end - span.start) / 1e6).toFixed(1).padStart(9);
  return `${label.padEnd(LABEL)}${milliseconds} ms  ${bar(span, start, end)}  ${details(span)}`;
}

function bar(span: ReceivedSpan, start: bigint, end: bigint): string {
  const total = Number(end - start) || 1;
  const from = Math.min(BAR - 1, Math.floor((Number(span.start - start) / total) * BAR));
  const width = Math.max(1, Math.round((Number(span.end - span.start) / total) * BAR));
  return `${' '.repeat(from)}${'='.repeat(Math.min(width, BAR - from))}`.padEnd(BAR);
}

const SHOWN = [
  'http.response.status_code',
  'error.type',
  'haproxy.termination_state',
  'haproxy.server.name',
  'http.request.resend_count',
  'haproxy.phase.agent_us',
  'haproxy.phase.queue_ms',
  'haproxy.phase.connect_ms',
  'haproxy.phase.response_ms',
] as const;

function details(span: ReceivedSpan): string {
  const shown = SHOWN.filter((key) => span.attributes[key] !== undefined).map(
    (key) => `${key.slice(key.lastIndexOf('.') + 1)}=${span.attributes[key]}`,
  );
  return `${span.status === OtlpStatus.ERROR ? 'ERROR ' : ''}${shown.join(' ')}`;
}
