import type { Checked } from './check.ts';
import { type Finding, SEVERITY_ORDER } from './finding.ts';

/** The head of a report. */
export type ReportHead = {
  /** As `3.0.11`. */
  readonly version: string;
  readonly files: readonly string[];
  /** Whether `haproxy -c` took the configuration; undefined where it was not asked. */
  readonly accepted: boolean | undefined;
  /** The file with the agent's settings, if there is one. */
  readonly settings: string | undefined;
};

const WIDTH = 100;

/** For people: what is wrong section by section, then one line for each frontend. */
export function formatReport(head: ReportHead, checked: Checked): string {
  const { findings, frontends } = checked;
  const out = [describe(head)];
  if (head.settings !== undefined) out.push(`settings of the agent: ${head.settings}`);
  out.push('');
  for (const [section, own] of bySection(findings)) {
    out.push(section === '' ? 'configuration' : section, '');
    for (const finding of own) out.push(...describeFinding(finding), '');
  }
  const width = Math.max(0, ...frontends.map(({ kind, name }) => kind.length + name.length + 1));
  for (const { kind, name, mode, traced } of frontends) {
    const own = findings.filter(({ section: of }) => of === `${kind} ${name}`);
    const state = !traced ? 'not traced' : own.length === 0 ? 'traced' : `traced, ${count(own)}`;
    out.push(`${`${kind} ${name}`.padEnd(width)}  ${mode.padEnd(4)}  ${state}`);
  }
  if (frontends.some(({ traced }) => !traced)) {
    out.push('', 'To trace more: haproxy-otel-spoa add');
  }
  out.push('', findings.length === 0 ? 'Nothing is wrong.' : `${count(findings)}.`);
  return `${out.join('\n')}\n`;
}

/** Sections in the order in which something was found in them, the worst of each first. */
function bySection(findings: readonly Finding[]): Map<string, Finding[]> {
  const sections = new Map<string, Finding[]>();
  for (const finding of findings) {
    const own = sections.get(finding.section);
    if (own === undefined) sections.set(finding.section, [finding]);
    else own.push(finding);
  }
  for (const own of sections.values()) {
    own.sort((a, b) => SEVERITY_ORDER.indexOf(a.severity) - SEVERITY_ORDER.indexOf(b.severity));
  }
  return sections;
}

/** For programs: the same, with stable names. */
export function reportJson(head: ReportHead, { frontends, findings }: Checked): string {
  const report = { haproxy: head.version, files: head.files, accepted: head.accepted ?? null };
  return `${JSON.stringify({ ...report, frontends, findings }, null, 2)}\n`;
}

function describe({ version, files, accepted }: ReportHead): string {
  const names = files.length > 3 ? `${files.length} files` : files.join(', ');
  const opinion =
    accepted === undefined
      ? 'haproxy -c was not run'
      : `haproxy -c ${accepted ? 'takes it' : 'refuses it'}`;
  return `${names}: for HAProxy ${version}, ${opinion}`;
}

function describeFinding({ code, severity, file, line, what, why, lines }: Finding): string[] {
  const out = [
    `  ${severity} ${code}`,
    ...wrap(`${line === undefined ? file : `${file}:${line}`}: ${what}.`, '    '),
    ...wrap(why, '    '),
  ];
  return lines.length === 0 ? out : [...out, ...lines.map((each) => `        ${each}`.trimEnd())];
}

function wrap(text: string, indent: string): string[] {
  const lines: string[] = [];
  let current = indent;
  for (const word of text.split(' ')) {
    if (current.length + word.length + 1 > WIDTH && current !== indent) {
      lines.push(current);
      current = indent;
    }
    current += current === indent ? word : ` ${word}`;
  }
  return [...lines, current];
}

/** `2 errors, 1 hint`. */
function count(findings: readonly Finding[]): string {
  return SEVERITY_ORDER.map((severity) => [
    findings.filter((each) => each.severity === severity).length,
    severity,
  ])
    .filter(([number]) => number !== 0)
    .map(([number, severity]) => `${number} ${severity}${number === 1 ? '' : 's'}`)
    .join(', ');
}
