/** Where the content of the length-delimited field at `position` starts. */
export function fieldContent(bytes: Buffer, position: number): number {
  let start = position + 1;
  while ((bytes[start] ?? 0) >= 0x80) start += 1;
  return start + 1;
}

/** Where the length-delimited field at `position` ends. */
export function fieldEnd(bytes: Buffer, position: number): number {
  const start = fieldContent(bytes, position);
  let length = 0;
  for (let i = start - 1; i > position; i -= 1) length = length * 128 + ((bytes[i] ?? 0) & 0x7f);
  return start + length;
}

/** Tag and length of a field whose content follows. */
export function lengthDelimited(tag: number, length: number): Buffer {
  const bytes = Buffer.alloc(1 + varintBytes(length));
  bytes[0] = tag;
  writeVarint(bytes, 1, length);
  return bytes;
}

export function int64Bytes(value: number): number {
  return value < 0 ? 10 : varintBytes(value);
}

export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes += 1;
  return bytes;
}

export function writeVarint(target: Buffer, position: number, value: number): void {
  let place = position;
  let rest = value;
  while (rest >= 128) {
    target[place] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
    place += 1;
  }
  target[place] = rest;
}
