import { structuredPatch } from 'diff';
import { readIfThere } from '../replace-files.ts';
import { installCommand, isEngine } from '../wiring/engine-file.ts';
import { unsampledBy, unseenBy } from '../wiring/reporting.ts';
import { readable } from '../wiring/summary.ts';
import type { Wired } from '../wiring/wire.ts';
import { type Finding, finding } from './finding.ts';
import type { Subject } from './subject.ts';

/** Of each difference so many lines are shown. */
const SHOWN = 6;

/** Differences between the lines and what `add` would write, and faults that such a comparison cannot find. */
export function checkLines(wired: Wired, { files, version }: Subject): Finding[] {
  const lines = [...wired.texts].flatMap(([file, text]) =>
    differences(file, files.current.get(file) ?? '', text),
  );
  const frontends = wired.plan.frontends.flatMap(({ proxy, reporting }) => {
    const section = `${proxy.kind} ${proxy.name}`;
    const head = files.positionOf(proxy.head);
    if (reporting !== undefined) {
      const unseen = unseenBy(version, reporting).map((each) =>
        finding('hop-unseen', section, head, `not seen: ${each}`, 'Your log stays as it is.'),
      );
      const why = wired.options.onlySampled ? unsampledBy(version, reporting) : undefined;
      if (why === undefined) return unseen;
      const what = `"--lines sampled" leaves out no record: ${why}`;
      const rest = 'The agent gets a record of each hop.';
      return [...unseen, finding('records-unsampled', section, head, what, rest)];
    }
    if (proxy.mode !== 'http') return [];
    const what = 'this frontend is not traced';
    return [finding('frontend-untraced', section, head, what, '"add" was run for others.')];
  });
  return [...lines, ...checkEngine(wired), ...frontends];
}

const DIFFERENT =
  'They were changed, another release or other options wrote them, or what is around them is not what it was: "haproxy-otel-spoa add" shows what is to be changed.';

function differences(file: string, now: string, text: string): Finding[] {
  const { hunks } = structuredPatch(file, file, now, text, '', '', { context: 0 });
  return hunks.map(({ oldStart, lines }) => {
    const added = lines.filter((line) => line.startsWith('+'));
    const wanted = added.map((line) => readable(line.slice(1)));
    const isGone = lines.some((line) => line.startsWith('-'));
    const what =
      wanted.length === 0
        ? 'lines that "add" would not write'
        : isGone
          ? 'other lines than "add" would write'
          : 'lines of "add" are missing';
    const shown = wanted.length > SHOWN ? [...wanted.slice(0, SHOWN), '…'] : wanted;
    const at = { file, line: Math.max(1, oldStart) };
    return finding('lines-differ', '', at, what, DIFFERENT, shown);
  });
}

function checkEngine({ plan: { edits, engine }, options }: Wired): Finding[] {
  const at = { file: edits[0]?.file ?? '', line: (edits[0]?.line ?? 0) + 1 };
  // To a path that was named "add" writes nothing.
  const remedy =
    options.engine === undefined ? 'haproxy-otel-spoa add --write' : installCommand(options.engine);
  const text = readIfThere(engine)?.toString('utf8');
  if (text === undefined) {
    const what = `${engine} is not there`;
    return [finding('engine-file-missing', '', at, what, 'HAProxy does not start.', [remedy])];
  }
  if (isEngine(text)) return [];
  const what = `${engine} is not what "add" would write`;
  const why = 'It was changed, or another release wrote it.';
  return [finding('engine-file-differs', '', at, what, why, [remedy])];
}
