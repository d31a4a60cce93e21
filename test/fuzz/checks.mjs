/** @throws Error where it does not hold: a finding */
export function check(holds, what) {
  if (!holds) throw new Error(what);
}

/** The same bytes in chunks of 1 to 32 bytes. */
export function inChunks(bytes, byte = 0) {
  const size = (byte % 32) + 1;
  const chunks = [];
  for (let start = 0; start < bytes.length; start += size) {
    // A copy: what is held must not depend on the chunk.
    chunks.push(Buffer.from(bytes.subarray(start, start + size)));
  }
  return chunks;
}
