import type { Statement } from '../haproxy/statements.ts';
import type { Outline } from './outline.ts';

/** Where in a section lines go, as the line that they stand in front of. */
export type Places = {
  readonly top: number;
  /** For tcp-request rules: HAProxy warns of those that stand behind http-request rules. */
  readonly tcp: number;
  readonly http: number;
  readonly end: number;
};

const HTTP = ['http-request', 'redirect', 'use_backend', 'use-server', 'http-response'];

/** @param own statements of the section whose first line is `head`, from 0 */
export function placesIn(outline: Outline, head: number, own: readonly Statement[]): Places {
  const top = head + 1;
  const before = ({ line }: Statement): number => outline.outermost(line - 1, head);
  const behind = (line: Statement): number => outline.behind(before(line));
  const rules = own.filter(({ words }) => words[0] === 'tcp-request');
  const content = rules.find(({ words }) => words[1] === 'content');
  const earlier = rules.findLast(
    ({ words }) => words[1] === 'connection' || words[1] === 'session',
  );
  const tcp = content ? before(content) : earlier ? behind(earlier) : top;
  const last = rules.at(-1);
  const first = own.find(({ words }) => HTTP.includes(words[0] ?? ''));
  const http = last === undefined ? top : first ? before(first) : behind(last);
  return { top, tcp, http: Math.max(tcp, http), end: outline.endOf(head) };
}
