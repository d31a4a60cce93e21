import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DataType, StatusCode } from '../../src/spop/constants.ts';
import {
  decodeDisconnect,
  decodeHaproxyHello,
  NotifyReader,
  readFrameHead,
} from '../../src/spop/decode.ts';
import { SpopError } from '../../src/spop/error.ts';
import { Reader, type TypedData } from '../../src/spop/reader.ts';
import { Writer } from '../../src/spop/writer.ts';
import { boolean, CAPTURES, disconnect, hello, nothing, notify, text, uint32 } from './frames.ts';

function readerOf(bytes: Buffer): Reader {
  const reader = new Reader();
  reader.reset(bytes, 0, bytes.length);
  return reader;
}

/** The payload of one whole frame: a reader behind its head. */
function openFrame(bytes: Buffer): { type: number; reader: Reader } {
  const reader = new Reader();
  reader.reset(bytes, 4, bytes.length);
  return { type: readFrameHead(reader).type, reader };
}

describe('varint', () => {
  // The limits in section 3.1 of doc/SPOE.txt, and the bytes that they stand for.
  test.each([
    [0, '00'],
    [239, 'ef'],
    [240, 'f000'],
    [2287, 'ff7f'],
    [2288, 'f08000'],
    [264_431, 'ffff7f'],
    [264_432, 'f0808000'],
    [33_818_863, 'ffffff7f'],
    [33_818_864, 'f080808000'],
  ])('%d is %s', (value, hex) => {
    const writer = new Writer();
    writer.varint(value);
    expect(writer.bytes().toString('hex')).toBe(hex);
    expect(readerOf(Buffer.from(hex, 'hex')).varint()).toBe(value);
  });

  test('every safe integer survives', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        const writer = new Writer();
        writer.varint(value);
        expect(readerOf(writer.bytes()).varint()).toBe(value);
      }),
      { seed: 1, numRuns: 2000 },
    );
  });

  test('every 64-bit integer survives', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
        const writer = new Writer();
        writer.varint64(value);
        const reader = readerOf(writer.bytes());
        expect(reader.varint64()).toBe(value);
        reader.reset(writer.buffer, 0, writer.position);
        reader.skipVarint();
        expect(reader.remaining).toBe(0);
      }),
      { seed: 2, numRuns: 2000 },
    );
  });

  test.each(['ffffffffffffffffffffff00', 'ffffffffffffffffffff7f'])('%s is too large', (hex) => {
    expect(() => readerOf(Buffer.from(hex, 'hex')).varint()).toThrow(SpopError);
    expect(() => readerOf(Buffer.from(hex, 'hex')).varint64()).toThrow(SpopError);
  });
});

const typedData: fc.Arbitrary<TypedData> = fc.oneof(
  fc.constant(nothing),
  fc.boolean().map(boolean),
  fc.integer().map((value) => ({ type: DataType.INT32, value })),
  fc.nat({ max: 2 ** 32 - 1 }).map(uint32),
  fc
    .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    .map((value) => ({ type: DataType.INT64, value })),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => ({ type: DataType.UINT64, value })),
  fc.uint8Array({ minLength: 4, maxLength: 4 }).map((value) => ({
    type: DataType.IPV4,
    value: Buffer.from(value),
  })),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map((value) => ({
    type: DataType.IPV6,
    value: Buffer.from(value),
  })),
  fc.string({ unit: 'grapheme' }).map(text),
  fc.uint8Array({ maxLength: 600 }).map((value) => ({
    type: DataType.BINARY,
    value: Buffer.from(value),
  })),
);

describe('typed data', () => {
  test('every value survives, and can be skipped', () => {
    fc.assert(
      fc.property(fc.array(typedData), (values) => {
        const writer = new Writer();
        for (const value of values) writer.typedData(value);
        const reader = readerOf(writer.bytes());
        expect(values.map(() => reader.typedData())).toEqual(values);
        expect(reader.remaining).toBe(0);
        reader.reset(writer.buffer, 0, writer.position);
        for (const _ of values) reader.skipTypedData();
        expect(reader.remaining).toBe(0);
      }),
      { seed: 3, numRuns: 1000 },
    );
  });

  test('a value that is cut anywhere is an invalid frame', () => {
    fc.assert(
      fc.property(typedData, (value) => {
        const writer = new Writer();
        writer.typedData(value);
        const whole = Buffer.from(writer.bytes());
        for (let end = 0; end < whole.length; end += 1) {
          const reader = readerOf(whole.subarray(0, end));
          expect(() => reader.typedData()).toThrow(SpopError);
        }
      }),
      { seed: 4, numRuns: 300 },
    );
  });

  test.each([10, 11, 12, 13, 14, 15])('type %d does not exist', (type) => {
    const bytes = Buffer.from([type]);
    expect(() => readerOf(bytes).typedData()).toThrow(`data type ${type} does not exist`);
    expect(() => readerOf(bytes).skipTypedData()).toThrow(`data type ${type} does not exist`);
  });
});

/** All messages of a NOTIFY, with what the reader shows of each argument. */
function readNotify(bytes: Buffer): [string, [string, number, string | number][]][] {
  const { reader } = openFrame(bytes);
  const cursor = new NotifyReader(reader);
  cursor.open();
  const messages: [string, [string, number, string | number][]][] = [];
  while (cursor.nextMessage()) {
    const name = cursor.buffer.toString('utf8', cursor.nameStart, cursor.nameEnd);
    const args: [string, number, string | number][] = [];
    while (cursor.nextArgument()) {
      const argument = cursor.buffer.toString('utf8', cursor.nameStart, cursor.nameEnd);
      const isBytes = cursor.type === DataType.STRING || cursor.type === DataType.BINARY;
      const value = isBytes
        ? cursor.buffer.toString('hex', cursor.valueStart, cursor.valueEnd)
        : cursor.smallInteger;
      args.push([argument, cursor.type, value]);
    }
    messages.push([name, args]);
  }
  return messages;
}

const hex = (value: string): string => Buffer.from(value).toString('hex');

describe.each(Object.entries(CAPTURES))('bytes of HAProxy %s', (_version, capture) => {
  test('HELLO', () => {
    const { type, reader } = openFrame(Buffer.from(capture.hello, 'hex'));
    expect(type).toBe(1);
    const decoded = decodeHaproxyHello(reader);
    expect(decoded).toMatchObject({
      supportedVersions: ['2.0'],
      maxFrameSize: 16_380,
      healthcheck: false,
    });
    expect(decoded.capabilities).toContain('pipelining');
    expect(decoded.engineId).toMatch(/^[0-9a-f-]{36}$/i);
  });

  test('health check', () => {
    const { reader } = openFrame(Buffer.from(capture.healthcheck, 'hex'));
    expect(decodeHaproxyHello(reader)).toMatchObject({ healthcheck: true, capabilities: [] });
  });

  test('NOTIFY with every type of argument', () => {
    const messages = readNotify(Buffer.from(capture.notify, 'hex'));
    expect(messages.map(([name]) => name)).toEqual(['all', 'none', 'mint']);
    expect(messages[0]?.[1]).toEqual([
      ['null', DataType.NULL, 0],
      ['true', DataType.BOOLEAN, 0],
      ['false', DataType.BOOLEAN, 0],
      ['int', DataType.INT64, 42],
      ['negative', DataType.INT64, 251],
      ['large', DataType.INT64, 241],
      ['v4', DataType.IPV4, 0],
      ['v6', DataType.IPV6, 0],
      ['text', DataType.STRING, hex('h\u00e9llo')],
      ['bytes', DataType.BINARY, '00ff10'],
      ['', DataType.BOOLEAN, 0],
    ]);
  });

  test('NOTIFY with a trace context', () => {
    const [, , mint] = readNotify(Buffer.from(capture.notifyWithContext, 'hex'));
    expect(mint?.[1]).toEqual([
      [
        'traceparent',
        DataType.STRING,
        hex('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'),
      ],
      ['traceparent_count', DataType.INT64, 1],
      ['tracestate', DataType.STRING, hex('congo=t61rcWkgMzE')],
      ['tracestate_count', DataType.INT64, 1],
    ]);
  });

  test('a frame that is cut anywhere is refused', () => {
    const whole = Buffer.from(capture.notify, 'hex');
    // Cut between two messages, a NOTIFY is a whole one with fewer messages.
    let shorterButWhole = 0;
    for (let end = 5; end < whole.length; end += 1) {
      try {
        readNotify(whole.subarray(0, end));
        shorterButWhole += 1;
      } catch (error) {
        expect(error).toBeInstanceOf(SpopError);
      }
    }
    expect(shorterButWhole).toBe(3);
  });
});

test.each(
  Object.values(CAPTURES).flatMap(({ disconnect }) =>
    disconnect === undefined ? [] : [disconnect],
  ),
)('DISCONNECT of an idle HAProxy: %s', (captured) => {
  const { type, reader } = openFrame(Buffer.from(captured, 'hex'));
  expect(type).toBe(2);
  expect(decodeDisconnect(reader)).toEqual({ status: 2, message: 'a timeout occurred' });
});

describe('HELLO', () => {
  test.each([
    ['supported-versions', StatusCode.NO_VERSION],
    ['max-frame-size', StatusCode.NO_MAX_FRAME_SIZE],
    ['capabilities', StatusCode.NO_CAPABILITIES],
  ])('without %s is status %d', (item, status) => {
    const { reader } = openFrame(hello({ [item]: undefined }));
    expect(() => decodeHaproxyHello(reader)).toThrow(expect.objectContaining({ status }));
  });

  test('unknown items are ignored, spaces in lists too', () => {
    const { reader } = openFrame(
      hello({ 'supported-versions': text(' 1.0 , 2.0 '), 'x-unknown': boolean(true) }),
    );
    expect(decodeHaproxyHello(reader).supportedVersions).toEqual(['1.0', '2.0']);
  });
});

test('DISCONNECT carries status and message', () => {
  const { reader } = openFrame(disconnect(4, 'invalid frame received'));
  expect(decodeDisconnect(reader)).toEqual({ status: 4, message: 'invalid frame received' });
});

test('a NOTIFY of any messages and arguments is walked whole', () => {
  const name = fc.string({ maxLength: 20 });
  const args = fc.array(fc.tuple(name, typedData), { maxLength: 12 });
  fc.assert(
    fc.property(fc.array(fc.tuple(name, args), { maxLength: 5 }), (messages) => {
      const read = readNotify(notify(7, 9, messages));
      expect(read.map(([message, list]) => [message, list.map(([a, type]) => [a, type])])).toEqual(
        messages.map(([message, list]) => [message, list.map(([a, value]) => [a, value.type])]),
      );
    }),
    { seed: 5, numRuns: 500 },
  );
});

test('more arguments announced than there are is an invalid frame', () => {
  const bytes = notify(1, 1, [['mint', [['a', nothing]]]]);
  const count = bytes.indexOf('mint') + 4;
  bytes[count] = 2;
  expect(() => readNotify(bytes)).toThrow(SpopError);
});

test('a frame without FIN is fragmentation, which is not supported', () => {
  const bytes = hello();
  bytes.writeUInt32BE(0, 5);
  expect(() => openFrame(bytes)).toThrow(expect.objectContaining({ status: 10 }));
});
