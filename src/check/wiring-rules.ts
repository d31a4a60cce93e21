import { structuredPatch } from 'diff';
import { readIfThere } from '../replace-files.ts';
import { isEngine } from '../wiring/engine-file.ts';
import { unseenBy } from '../wiring/reporting.ts';
import { readable } from '../wiring/summary.ts';
import type { Wired } from '../wiring/wire.ts';
import { type Finding, finding } from './finding.ts';
import type { Subject } from './subject.ts';

/** Of each difference so many lines are shown. */
const SHOWN = 6;

/** What stands against what `add` would write, and what that cannot see. */
export function checkLines(wired: Wired, { files, version }: Subject): Finding[] {
  const findings: Finding[] = [];
  for (const [file, text] of wired.texts) {
    const now = files.current.get(file) ?? '';
    for (const { oldStart, lines } of structuredPatch(file, file, now, text, '', '', { context: 0 })
      .hunks) {
      const wanted = lines
        .filter((line) => line.startsWith('+'))
        .map((line) => readable(line.slice(1)));
      const isGone = lines.some((line) => line.startsWith('-'));
      findings.push(
        finding(
          'lines-differ',
          '',
          { file, line: Math.max(1, oldStart) },
          {
            what:
              wanted.length === 0
                ? 'lines that "add" would not write'
                : isGone
                  ? 'other lines than "add" would write'
                  : 'lines of "add" are missing',
            why: 'They were changed, another release or other options wrote them, or what is around them is not what it was: "haproxy-otel-spoa add" shows what is to be changed.',
            lines: wanted.length > SHOWN ? [...wanted.slice(0, SHOWN), '…'] : wanted,
          },
        ),
      );
    }
  }
  const { frontends, engine, edits } = wired.plan;
  const at = { file: edits[0]?.file ?? '', line: (edits[0]?.line ?? 0) + 1 };
  const there = readIfThere(engine);
  const add = ['haproxy-otel-spoa add --write'];
  if (there === undefined) {
    findings.push(
      finding('engine-file-missing', '', at, {
        what: `${engine} is not there`,
        why: 'HAProxy does not start.',
        lines: add,
      }),
    );
  } else if (!isEngine(there.toString('utf8'))) {
    findings.push(
      finding('engine-file-differs', '', at, {
        what: `${engine} is not what "add" would write`,
        why: 'It was changed, or another release wrote it.',
        lines: add,
      }),
    );
  }
  for (const { proxy, reporting } of frontends) {
    const section = `${proxy.kind} ${proxy.name}`;
    const head = files.placeOf(proxy.head);
    if (reporting === undefined && proxy.mode === 'http') {
      findings.push(
        finding('frontend-untraced', section, head, {
          what: 'this frontend is not traced',
          why: '"add" was run for others.',
        }),
      );
    }
    for (const unseen of reporting === undefined ? [] : unseenBy(version, reporting)) {
      findings.push(
        finding('hop-unseen', section, head, {
          what: `not seen: ${unseen}`,
          why: 'Your log stays as it is.',
        }),
      );
    }
  }
  return findings;
}
