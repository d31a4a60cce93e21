import { lastOf } from '../haproxy/proxies.ts';
import type { Statement } from '../haproxy/statements.ts';
import { parseSize } from '../haproxy/units.ts';
import { DEFAULT_BUFSIZE } from './agent-rules.ts';
import { type Finding, finding } from './finding.ts';
import { usualLine } from './log-lines.ts';
import type { Frontend, Subject } from './subject.ts';

/** HAProxy's `len` and `maxlen` where nothing is said, in bytes. */
const DEFAULT_LENGTH = 1_024;

/** What a URL, a user agent and a tracestate may well take. */
const ROOM = 2_048;

/** What HAProxy puts around a line in a buffer. */
const AROUND = 80;

/** Whether lines of a frontend fit into what `len` or `maxlen` allows, and that into a buffer. */
export function lengthFindings(
  prefix: 'ring-maxlen' | 'log-len',
  section: string,
  at: Statement,
  what: {
    readonly written: number | undefined;
    readonly name: string;
    readonly frontend: Frontend;
    readonly subject: Subject;
  },
): Finding[] {
  const { written, name, frontend, subject } = what;
  const length = written ?? DEFAULT_LENGTH;
  const said = written === undefined ? `no "${name}": it is ${length}` : `"${name}" is ${length}`;
  const bufsize =
    parseSize(lastOf(subject.configuration.global, 'tune.bufsize')?.words[1]) ?? DEFAULT_BUFSIZE;
  const best = Math.floor((bufsize - AROUND) / 100) * 100;
  const lines = [`${name} ${Math.min(best, 65_535)}`];
  if (length > bufsize - AROUND) {
    return [
      finding(`${prefix}-large`, section, at, {
        what: `${said}, and tune.bufsize ${bufsize}`,
        why: `A line that does not fit into a buffer is dropped by HAProxy without a word; one that is cut at some ${AROUND} bytes less is still a span.`,
        lines,
      }),
    ];
  }
  const usual = usualLine(frontend);
  if (usual === undefined || length >= usual + ROOM) return [];
  const small = length < usual;
  return [
    finding(`${prefix}-${small ? 'small' : 'short'}`, section, at, {
      what: `${said}, and a usual line of ${frontend.section} has some ${usual} bytes`,
      why: small
        ? 'Most records are cut: they are no JSON any more, and what comes last is lost.'
        : 'Records of long URLs or headers are cut: what comes last is lost.',
      lines,
    }),
  ];
}
