import { SETTINGS, type Setting, settingOf } from './table.ts';

/** What OpenTelemetry's specification has for other signals, exporters and ways of configuration. */
const UNUSED = `
  OTEL_EXPERIMENTAL_CONFIG_FILE OTEL_ENTITIES OTEL_SPAN_EVENT_COUNT_LIMIT
  OTEL_SPAN_LINK_COUNT_LIMIT OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT OTEL_LINK_ATTRIBUTE_COUNT_LIMIT
  OTEL_EXPORTER_ZIPKIN_ENDPOINT OTEL_EXPORTER_ZIPKIN_TIMEOUT OTEL_EXPORTER_PROMETHEUS_HOST
  OTEL_EXPORTER_PROMETHEUS_PORT`.split(/\s+/);

/** Every name that is read, with those of one signal. */
const USED = Object.entries<Setting>(SETTINGS).flatMap(([name, { perSignal }]) => [
  name,
  ...(perSignal
    ? ['TRACES', 'METRICS', 'LOGS'].map((signal) => name.replace('OTLP_', `OTLP_${signal}_`))
    : []),
]);

/** Whether the agent uses it, the specification has it for something that the agent does not do, or it is unknown. */
export function useOf(name: string): 'used' | 'unused' | 'unknown' {
  if (settingOf(name) !== undefined) return 'used';
  return UNUSED.includes(name) ? 'unused' : 'unknown';
}

/** The setting that is spelled most like `name`, at most `most` letters away. */
export function nearestSetting(name: string, most: number): string | undefined {
  let nearest: string | undefined;
  let least = most + 1;
  for (const candidate of USED) {
    const prefix = isHaproxys(name) === isHaproxys(candidate) ? 0 : 1;
    const distance = prefix + editDistance(withoutPrefix(name), withoutPrefix(candidate));
    if (distance >= least) continue;
    nearest = candidate;
    least = distance;
  }
  return nearest;
}

const isHaproxys = (name: string): boolean => name.startsWith('HAPROXY_');
const withoutPrefix = (name: string): string => name.replace(/^HAPROXY_/, '');

/** Levenshtein's: letters to insert, remove or replace. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
