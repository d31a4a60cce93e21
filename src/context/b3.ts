import { idsOf, type RemoteContext } from './remote-context.ts';

/** The headers of B3 propagation, in both encodings; undefined are those that the request does not have. */
type B3Headers = {
  /** `b3` */
  readonly single?: string | undefined;
  /** `x-b3-traceid`, `x-b3-spanid`, `x-b3-sampled`, `x-b3-flags` */
  readonly traceId?: string | undefined;
  readonly spanId?: string | undefined;
  readonly sampled?: string | undefined;
  readonly flags?: string | undefined;
};

const SINGLE = /^([0-9a-f]{32}|[0-9a-f]{16})-([0-9a-f]{16})(?:-([01d])(?:-[0-9a-f]{16})?)?$/i;
const TRACE_ID = /^([0-9a-f]{32}|[0-9a-f]{16})$/i;
const SPAN_ID = /^[0-9a-f]{16}$/i;

/** The single header goes before the others (OpenTelemetry specification, "B3 Extract"). */
export function parseB3(headers: B3Headers): RemoteContext | undefined {
  return parseSingle(headers.single ?? '') ?? parseMulti(headers);
}

function parseSingle(text: string): RemoteContext | undefined {
  if (/^[01d]$/.test(text)) return { ids: undefined, ...stateOf(text) };
  const [, traceId = '', spanId = '', state] = SINGLE.exec(text) ?? [];
  const ids = idsOf(traceId, spanId);
  return ids === undefined ? undefined : { ids, ...stateOf(state) };
}

function parseMulti({ traceId, spanId, sampled, flags }: B3Headers): RemoteContext | undefined {
  const state = stateOf(flags === '1' ? 'd' : sampled);
  if (traceId === undefined && spanId === undefined) {
    return state.sampled === undefined ? undefined : { ids: undefined, ...state };
  }
  if (!TRACE_ID.test(traceId ?? '') || !SPAN_ID.test(spanId ?? '')) return undefined;
  const ids = idsOf(traceId ?? '', spanId ?? '');
  return ids === undefined ? undefined : { ids, ...state };
}

function stateOf(text: string | undefined): Pick<RemoteContext, 'sampled' | 'debug'> {
  switch (text) {
    case '1':
    case 'true':
      return { sampled: true, debug: false };
    case '0':
    case 'false':
      return { sampled: false, debug: false };
    case 'd':
      return { sampled: true, debug: true };
    default:
      return { sampled: undefined, debug: false };
  }
}
