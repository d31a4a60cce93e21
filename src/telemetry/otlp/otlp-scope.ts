import type { SpanScope } from '../resource.ts';
import { KeyValueWriter } from './key-values.ts';
import { ProtobufWriter } from './protobuf.ts';

/**
 * Wire types and field numbers of opentelemetry-proto, as tag bytes: of the messages around the items of any signal
 * (trace.proto, logs.proto, metrics.proto), of resource.proto and of common.proto.
 */
const Tag = {
  RESOURCE: 0x0a,
  SCOPE: 0x0a,
  RESOURCE_ATTRIBUTES: 0x0a,
  SCOPE_NAME: 0x0a,
  SCOPE_VERSION: 0x12,
} as const;

const NO_HEAD = Buffer.alloc(0);

/** The `resource` and `scope` fields, encoded, as Resource… and Scope… messages of all signals begin with them. */
export function encodeScope({ resource, instrumentationScope }: SpanScope): {
  resource: Buffer;
  scope: Buffer;
} {
  const out = new ProtobufWriter(0);
  const keyValues = new KeyValueWriter(out);
  const field = (tag: number, writeContent: () => void): Buffer => {
    out.byte(tag);
    const start = out.beginMessage();
    writeContent();
    out.endMessage(start);
    return out.finish(NO_HEAD);
  };
  return {
    resource: field(Tag.RESOURCE, () => {
      for (const [name, value] of Object.entries(resource.attributes)) {
        if (value === undefined) continue;
        const own = Array.isArray(value) ? value.map(String) : value;
        keyValues.write(Tag.RESOURCE_ATTRIBUTES, name, own);
      }
    }),
    scope: field(Tag.SCOPE, () => {
      out.text(Tag.SCOPE_NAME, instrumentationScope.name);
      out.text(Tag.SCOPE_VERSION, instrumentationScope.version);
    }),
  };
}
