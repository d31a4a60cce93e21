import type { Configuration } from '../haproxy/configuration.ts';
import { describeController } from '../haproxy/controllers.ts';
import type { CheckResult } from '../haproxy/program.ts';
import type { ProxyKind } from '../haproxy/proxies.ts';
import { branchOf, isAtLeast } from '../haproxy/version.ts';
import { checkAgent } from './agent-rules.ts';
import { type Finding, finding, type Position } from './finding.ts';
import type { Subject } from './subject.ts';
import { checkRules } from './user-rules.ts';
import { checkLines } from './wiring-rules.ts';

/** Whether one frontend is traced. */
export type CheckedFrontend = {
  readonly kind: ProxyKind;
  readonly name: string;
  readonly mode: string;
  readonly traced: boolean;
};

export type Checked = {
  readonly frontends: readonly CheckedFrontend[];
  /** In the order of the configuration. */
  readonly findings: readonly Finding[];
};

/** Compares what stands with what `add` would write, and with what is around it. */
export function check(subject: Subject, result: CheckResult | undefined): Checked {
  const { current, wired, files } = subject;
  const found = [...checkConfiguration(subject)];
  if (!files.isWired) found.push(untraced(subject));
  else if (typeof wired === 'string') found.push(foreign(subject, wired));
  else {
    found.push(...checkLines(wired, subject), ...checkAgent(wired, subject));
    found.push(...checkRules(wired, subject));
  }
  const asked = new Set(
    current.proxies
      .filter(({ statements }) => statements.some(({ words }) => words.some(isOurs)))
      .map(({ name }) => name),
  );
  return {
    frontends: current.proxies
      .filter(({ kind }) => kind !== 'backend')
      .map(({ kind, name, mode }) => ({ kind, name, mode, traced: asked.has(name) })),
    findings: inOrder([...found, ...programFindings(result, found, current)], current.files),
  };
}

function isOurs(word: string): boolean {
  return word === 'ring@otel' || word.includes('debug(otel,otel)');
}

function checkConfiguration({ current, version, files }: Subject): Finding[] {
  const oldest = '2.6 is the oldest that the agent works with.';
  const tooOld = finding(
    'haproxy-too-old',
    '',
    whole(current),
    `HAProxy ${branchOf(version)}`,
    oldest,
  );
  const doubts = current.doubts.map(({ kind, text, ...at }) => {
    if (kind === 'unreadable') {
      const why = 'What HAProxy makes of this line is not known here.';
      return finding('line-unreadable', '', at, text, why);
    }
    const what = `whether "${text}" holds only the running HAProxy knows`;
    const why = 'Its lines are passed over here, and what stands behind ".else" is taken.';
    return finding('condition-undecided', '', at, what, why);
  });
  const managed = [...files.clean].flatMap(([file, text]) => {
    const what = describeController(file, text);
    if (what === undefined) return [];
    const why = 'The lines are gone when it writes the file again.';
    return [finding('managed-elsewhere', '', { file, line: 1 }, what, why)];
  });
  return [...(isAtLeast(version, '2.6') ? [] : [tooOld]), ...doubts, ...managed];
}

function untraced({ current, wired }: Subject): Finding {
  const what = 'no frontend has to do with the agent';
  const none = 'HAProxy neither asks it nor reports requests to it: no spans.';
  const why = typeof wired === 'string' ? `${wired}.` : none;
  return finding('nothing-traced', '', top(current), what, why, ['haproxy-otel-spoa add --write']);
}

function foreign({ current }: Subject, reason: string): Finding {
  const [, file, line] = /^(.*?):(\d+): /.exec(reason) ?? [];
  const at = file === undefined ? whole(current) : { file, line: Number(line) };
  const what = file === undefined ? reason : reason.slice(`${file}:${line}: `.length);
  const why = 'What stands cannot be compared with what "add" would write.';
  return finding('lines-foreign', '', at, what, why);
}

/** HAProxy's own messages, but for warnings that another finding explains, and alerts that an error of the same line does. */
function programFindings(
  result: CheckResult | undefined,
  found: readonly Finding[],
  current: Configuration,
): Finding[] {
  const isExplained = found.some(({ severity }) => severity === 'error');
  return (result?.messages ?? []).flatMap(({ level, file, line, text }) => {
    const at = file === undefined || line === undefined ? undefined : { file, line };
    const there = found.filter((each) => each.file === at?.file && each.line === at?.line);
    const isKnown =
      level === 'alert'
        ? result?.accepted || there.some(explainsAlert)
        : at === undefined
          ? isExplained
          : there.length > 0;
    if (isKnown) return [];
    const [code, why] =
      level === 'alert'
        ? (['haproxy-refuses', 'HAProxy does not start with it.'] as const)
        : (['haproxy-warns', 'HAProxy itself warns of it.'] as const);
    return [finding(code, '', at ?? whole(current), text, why)];
  });
}

/** What is of the whole configuration stands on its first line. */
function explainsAlert({ severity, code }: Finding): boolean {
  return severity === 'error' && code !== 'nothing-traced';
}

function inOrder(findings: readonly Finding[], files: readonly string[]): Finding[] {
  const rank = ({ file }: Finding): number =>
    (files.indexOf(file) + files.length + 1) % (files.length + 1);
  return findings.toSorted((a, b) => rank(a) - rank(b) || (a.line ?? 0) - (b.line ?? 0));
}

function top({ files }: Configuration): Position {
  return { file: files[0] ?? '', line: 1 };
}

function whole({ files }: Configuration): Position {
  return { file: files[0] ?? '', line: undefined };
}
