import type { AttributeValue } from '../../records/record.ts';
import type { SpanScope } from '../resource.ts';
import { type Batch, encodeHead, RequestTag } from './batch.ts';
import { KeyValueWriter } from './key-values.ts';
import { LastAttributes } from './last-attributes.ts';
import { encodeScope } from './otlp-scope.ts';
import { ProtobufWriter } from './protobuf.ts';

/** A place between two items. */
export type ItemMark = { readonly items: number; readonly end: number };

/** The fields of an item that all signals have, as tag bytes. */
type ItemTags = { readonly attributes: number; readonly droppedAttributesCount: number };

/** Tag and length of the two messages around the items, at most. */
const MAX_LENGTHS = 2 * 6;

/** A value that is never equal to another. */
const UNIQUE: AttributeValue = [];

/**
 * Writes the items of one signal, spans or log records, as one OTLP Export…ServiceRequest: no object is made for an
 * item or an attribute, and what an item has in common with the last one is copied. Resource and scope are encoded once.
 */
export abstract class OtlpItems {
  /** Items that were written since the last `finishRequest`. */
  count = 0;
  protected readonly out: ProtobufWriter;
  private readonly resource: Buffer;
  private readonly scope: Buffer;
  private readonly keyValues: KeyValueWriter;
  private readonly tags: ItemTags;
  private start = 0;
  private last = new LastAttributes();
  /** Counts the requests that were finished. */
  private generation = 0;

  constructor(scope: SpanScope, tags: ItemTags) {
    ({ resource: this.resource, scope: this.scope } = encodeScope(scope));
    this.out = new ProtobufWriter(this.resource.length + this.scope.length + MAX_LENGTHS);
    this.keyValues = new KeyValueWriter(this.out);
    this.tags = tags;
  }

  /** Bytes of a request with these items, or a few more. */
  get size(): number {
    return this.out.position;
  }

  /** The items so far, for a later `finishRequest`. */
  mark(): ItemMark {
    return { items: this.count, end: this.out.position };
  }

  /** The request with all items since the last call, or those up to a mark; the rest is in the next one. */
  finishRequest({ items, end }: ItemMark = this.mark()): Batch {
    const head = encodeHead(this.resource, this.scope, end - this.out.headRoom);
    const batch = { bytes: this.out.finish(head, end), items };
    this.count -= items;
    this.generation += 1;
    return batch;
  }

  /** Recycles the buffer of what `finishRequest` returned, when nobody needs its bytes any more. */
  recycle({ bytes }: Batch): void {
    this.out.recycle(bytes);
  }

  attribute(name: string, value: AttributeValue): void {
    const { last, out } = this;
    if (last.repeats(name, value, out.position)) return;
    this.repeat();
    this.keyValues.write(this.tags.attributes, name, value);
    last.wrote(name, value, out.position);
  }

  bytes(
    name: string,
    buffer: Buffer,
    start: number,
    end: number,
    prefix: string,
    isList: boolean,
  ): void {
    const { last, out, keyValues } = this;
    if (!keyValues.isShort(name, prefix, end - start, isList)) {
      const value = prefix + buffer.toString('latin1', start, end);
      this.attribute(name, isList ? [value] : value);
      return;
    }
    this.repeat();
    keyValues.writeBytes(this.tags.attributes, name, buffer, start, end, prefix, isList);
    last.wrote(name, UNIQUE, out.position);
  }

  end(dropped = 0): void {
    this.repeat();
    this.last.end();
    if (dropped > 0) {
      this.out.byte(this.tags.droppedAttributesCount);
      this.out.varint(dropped);
    }
    const moved = this.out.endMessage(this.start);
    if (moved !== 0) this.last.forget();
  }

  protected beginItem(): void {
    this.count += 1;
    this.out.byte(RequestTag.SCOPE_SPANS_SPANS);
    this.start = this.out.beginMessage();
  }

  /** To be called when all other fields are written. @param last attributes of an item that is alike */
  protected beginAttributes(last: LastAttributes): void {
    this.last = last;
    last.begin(this.out.position, this.generation);
  }

  /** Writes again what the last item had too. */
  private repeat(): void {
    const { runStart, runLength } = this.last;
    if (runLength === 0) return;
    this.out.copyWithin(runStart, runLength);
    this.last.runLength = 0;
  }
}
