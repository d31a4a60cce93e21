import type { Outline } from './outline.ts';
import type { Statement } from './statements.ts';

/** Points of a section at which lines are inserted. */
export const INSERTION_POINTS = ['top', 'filters', 'log', 'tcp', 'http', 'end', 'last'] as const;
type InsertionPoint = (typeof INSERTION_POINTS)[number];

/** The lines to insert, by insertion point. */
export type SectionLines = Readonly<Partial<Record<InsertionPoint, readonly string[]>>>;

/** HAProxy warns of tcp-request rules behind these. */
const HTTP = ['http-request', 'redirect', 'use_backend', 'use-server'];

/**
 * The lines in front of which they stand, from 0: filters behind those that are there, rules before those that are.
 *
 * @param own statements of the section whose first line is `head`
 */
export function insertionLines(
  outline: Outline,
  head: number,
  own: readonly Statement[],
): Readonly<Record<InsertionPoint, number>> {
  const top = head + 1;
  const before = ({ line }: Statement): number => outline.outermost(line - 1, head);
  const behind = (line: Statement): number => outline.behind(before(line));
  const filter = own.findLast(({ words }) => words[0] === 'filter');
  const first = own.findIndex(({ words }) => HTTP.includes(words[0] ?? ''));
  const early = own.slice(0, first === -1 ? own.length : first);
  const rules = early.filter(({ words }) => words[0] === 'tcp-request');
  const content = rules.find(({ words }) => words[1] === 'content');
  const earlier = rules.findLast(
    ({ words: [, when] }) => when === 'connection' || when === 'session',
  );
  const tcp = content ? before(content) : earlier ? behind(earlier) : top;
  const last = rules.at(-1);
  const http = last === undefined ? top : own[first] ? before(own[first]) : behind(last);
  return {
    top,
    filters: filter ? behind(filter) : top,
    log: top,
    tcp,
    http: Math.max(tcp, http),
    end: outline.endOf(head),
    last: outline.endOf(head),
  };
}
