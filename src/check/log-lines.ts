import { type LogPart, parseLogFormat } from '../haproxy/log-format.ts';
import { optionOf } from '../haproxy/proxies.ts';
import { says } from '../haproxy/sections.ts';
import type { Statement } from '../haproxy/statements.ts';
import { widthOf } from './log-values.ts';
import type { Frontend } from './subject.ts';

/** The statement that decides how a frontend's lines look; undefined where none does. */
export function formatStatement({ proxy }: Frontend): Statement | undefined {
  const formats = ['httplog', 'tcplog', 'httpslog']
    .map((name) => optionOf(proxy.statements, name))
    .filter((line) => line !== undefined);
  return proxy.statements.findLast((line) => says(line, 'log-format') || formats.includes(line));
}

/** Undefined where the lines are HAProxy's own, or those of a profile. */
export function logFormat(frontend: Frontend): string | undefined {
  const statement = formatStatement(frontend);
  if (statement?.words[0] !== 'log-format' || hasProfile(frontend)) return undefined;
  return statement.words[1] ?? '';
}

/** From 3.1 on a logger may have a format of its own, which is not looked at. */
export function hasProfile({ toRing, toPort }: Frontend): boolean {
  return [...toRing, ...toPort].some(({ profile }) => profile !== undefined);
}

/** How many bytes a line usually has; undefined where that is not known. */
export function usualLine(frontend: Frontend): number | undefined {
  const format = logFormat(frontend);
  if (format === undefined) return undefined;
  return parseLogFormat(format).reduce((sum, part) => sum + lengthOf(part), 0);
}

function lengthOf(part: LogPart): number {
  return part.kind === 'text' ? Buffer.byteLength(part.text) : widthOf(part);
}
