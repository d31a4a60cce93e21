import type { Opinion } from '../haproxy/program.ts';
import { branchOf } from '../haproxy/version.ts';
import { type Finding, type FindingCode, finding, type Position } from './finding.ts';
import { atLeast, type Frontend, type Subject } from './subject.ts';

/** What is about the configuration as a whole. */
export function checkConfiguration(frontends: readonly Frontend[], subject: Subject): Finding[] {
  const { configuration, version } = subject;
  const findings: Finding[] = [];
  if (!atLeast(subject, '2.6')) {
    findings.push(
      finding('haproxy-too-old', '', top(subject), {
        what: `HAProxy ${branchOf(version)}`,
        why: '2.6 is the oldest that the agent works with.',
      }),
    );
  }
  if (frontends.length === 0) {
    findings.push(
      finding('nothing-traced', '', top(subject), {
        what: 'no frontend has to do with the agent',
        why: 'HAProxy neither asks it nor tells it of requests: no spans.',
        lines: ['# what haproxy-otel-spoa snippet --frontend NAME prints'],
      }),
    );
  }
  const engines = frontends.flatMap((frontend) => frontend.engines);
  const doubts = [...configuration.doubts, ...engines.flatMap((engine) => engine.doubts)];
  for (const { kind, text, ...at } of doubts) {
    findings.push(
      kind === 'undecided'
        ? finding('condition-undecided', '', at, {
            what: `whether "${text}" holds only the running HAProxy knows`,
            why: 'Its lines are passed over here, and what stands behind ".else" is taken.',
          })
        : finding('line-unreadable', '', at, {
            what: text,
            why: 'What HAProxy makes of this line is not known here.',
          }),
    );
  }
  return findings;
}

/** HAProxy refuses these too, in its own words and not always by the line. */
const REFUSED: ReadonlySet<FindingCode> = new Set([
  'engine-file-missing',
  'engine-missing',
  'engine-message-missing',
  'agent-backend-missing',
  'agent-backend-mode',
  'ring-missing',
]);

/** What HAProxy itself says, of lines of which nothing else was found. */
export function opinionFindings(
  { accepted, messages }: Opinion,
  found: readonly Finding[],
  subject: Subject,
): Finding[] {
  const isKnown = (position: Position): boolean =>
    found.some(({ file, line }) => file === position.file && line === position.line);
  const isExplained = found.some(({ code }) => REFUSED.has(code));
  return messages.flatMap(({ level, file, line, text }) => {
    const at = file === undefined || line === undefined ? undefined : { file, line };
    // Said without a line it may be about anything that was found.
    if (level === 'alert' && (at === undefined ? isExplained : isKnown(at))) return [];
    if (level === 'warning' && at !== undefined && isKnown(at)) return [];
    if (level === 'alert' && accepted) return [];
    return [
      finding(level === 'alert' ? 'haproxy-refuses' : 'haproxy-warns', '', at ?? top(subject), {
        what: text,
        why: level === 'alert' ? 'HAProxy does not start with it.' : 'HAProxy itself warns of it.',
      }),
    ];
  });
}

function top({ configuration: { files } }: Subject): Position {
  return { file: files[0] ?? '', line: 1 };
}
