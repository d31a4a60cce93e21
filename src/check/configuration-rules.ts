import type { Opinion } from '../haproxy/program.ts';
import { branchOf } from '../haproxy/version.ts';
import { type Finding, finding, type Position } from './finding.ts';
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

/**
 * What HAProxy itself says, of lines of which nothing else was found. What it says of no line may be of anything that
 * was found: it is told when that is mended.
 */
export function opinionFindings(
  { accepted, messages }: Opinion,
  found: readonly Finding[],
  subject: Subject,
): Finding[] {
  const isExplained = found.some(
    ({ code, severity }) => severity !== 'hint' && code !== 'nothing-traced',
  );
  return messages.flatMap(({ level, file, line, text }) => {
    const at = file === undefined || line === undefined ? undefined : { file, line };
    const isKnown =
      at === undefined
        ? isExplained
        : found.some((finding) => finding.file === at.file && finding.line === at.line);
    if (isKnown || (level === 'alert' && accepted)) return [];
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
