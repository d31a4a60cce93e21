import { DataType } from '../spop/constants.ts';
import type { NotifyReader } from '../spop/decode.ts';
import { parseB3 } from './b3.ts';
import { parseJaeger } from './jaeger.ts';
import type { RemoteContext } from './remote-context.ts';
import { parseXray } from './xray.ts';

/** Propagators that extract a caller's context, in the default order. */
export const PROPAGATORS = ['tracecontext', 'b3', 'jaeger', 'xray'] as const;
export type Propagator = (typeof PROPAGATORS)[number];

/** One that is not W3C's. */
type OtherPropagator = Exclude<Propagator, 'tracecontext'>;

/**
 * The messages of spoe/otel.conf for these, each called as its format, sent only where the request has such a
 * header. An argument is called as its header; `count` is how often the request has a header that must be single.
 */
const MESSAGES: readonly { readonly format: OtherPropagator; readonly name: Buffer }[] =
  PROPAGATORS.filter((format) => format !== 'tracecontext').map((format) => ({
    format,
    name: Buffer.from(format),
  }));

const COUNT = 'count';

/** The headers of one request that other propagators than W3C's read. */
export class OtherPropagators {
  /** Whether there are any. */
  any = false;
  private readonly headers = new Map<OtherPropagator, Map<string, string>>();

  clear(): void {
    if (!this.any) return;
    this.any = false;
    this.headers.clear();
  }

  /** Reads the current message to its end if it is one of these. */
  readMessage(notify: NotifyReader): boolean {
    for (const { format, name } of MESSAGES) {
      if (!notify.named(name)) continue;
      this.any = true;
      this.headers.set(format, readArguments(notify));
      return true;
    }
    return false;
  }

  /** Undefined where the request has no such header, one that cannot be used, or several. */
  extract(propagator: OtherPropagator): RemoteContext | undefined {
    const headers = this.headers.get(propagator);
    if (headers === undefined || Number(headers.get(COUNT) ?? 1) > 1) return undefined;
    switch (propagator) {
      case 'b3':
        return parseB3({
          single: headers.get('b3'),
          traceId: headers.get('x-b3-traceid'),
          spanId: headers.get('x-b3-spanid'),
          sampled: headers.get('x-b3-sampled'),
          flags: headers.get('x-b3-flags'),
        });
      case 'jaeger':
        return parseJaeger(headers.get('uber-trace-id') ?? '');
      case 'xray':
        return parseXray(headers.get('x-amzn-trace-id') ?? '');
      default:
        return propagator satisfies never;
    }
  }
}

function readArguments(notify: NotifyReader): Map<string, string> {
  const found = new Map<string, string>();
  while (notify.nextArgument()) {
    if (notify.type === DataType.NULL) continue;
    const name = notify.buffer.toString('latin1', notify.nameStart, notify.nameEnd);
    // Of several headers that must be single, the one there is most of.
    if (name !== COUNT || Number(notify.text) > Number(found.get(COUNT) ?? 0)) {
      found.set(name, notify.text);
    }
  }
  return found;
}
