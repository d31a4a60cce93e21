import fc from 'fast-check';
import { expect, test } from 'vitest';
import { redactQuery } from '../../src/records/redaction.ts';
import { parseTarget } from '../../src/records/request-target.ts';
import { TargetBytes } from '../../src/records/target-bytes.ts';

const part = fc.oneof(
  fc.constantFrom('/', '?', '&', '=', '*', 'sig=', 'Signature=', 'X-Amz-Signature=', 'size=', 'x'),
  fc.constantFrom('AWSAccessKeyId=', 'X-Goog-Signature=', 'http://a', '\u00e9'),
  fc.string({ maxLength: 3 }),
);
const view = new TargetBytes();

test('where the bytes of a target will do, they are what its text is, and no secret is in them', () => {
  let plain = 0;
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const text = `/${parts.join('')}`;
      const line = Buffer.from(`##${text}##`);
      if (!view.read(line, 2, line.length - 2)) return;
      plain += 1;
      const { path, query } = parseTarget(text, 'GET');
      expect(line.toString('utf8', view.start, view.pathEnd)).toBe(path);
      const seen = view.hasQuery ? line.toString('utf8', view.queryStart, view.end) : undefined;
      expect(seen).toBe(redactQuery(query));
    }),
    { numRuns: 2_000 },
  );
  expect(plain).toBeGreaterThan(100);
});
