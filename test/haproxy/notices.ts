import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HAPROXY } from '../end-to-end/chain.ts';

/** What HAProxy says of each line of a configuration, by its number: a notice's text, or that it is refused. */
export type Said =
  | { readonly kind: 'notice'; readonly text: string }
  | { readonly kind: 'alert'; readonly text: string };

/** Has the real HAProxy read `text`, in which `.notice` lines say what it makes of them. */
export function noticesOf(
  text: string,
  env: Readonly<Record<string, string>> = {},
): ReadonlyMap<number, Said> {
  const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-notices-'));
  try {
    const file = join(folder, 'notices.cfg');
    writeFileSync(file, text);
    const { stderr, stdout } = spawnSync(HAPROXY, ['-c', '-f', file], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, ...env },
    });
    const said = new Map<number, Said>();
    for (const line of `${stderr}\n${stdout}`.split('\n')) {
      const [, level, number, words = ''] =
        /^\[(NOTICE|ALERT)\].*?parsing \[[^\]]*:(\d+)\]\s*:\s*(.*)$/.exec(line) ?? [];
      if (level === undefined || said.has(Number(number))) continue;
      const notice = /^'(.*)'\.$/.exec(words)?.[1];
      said.set(
        Number(number),
        level === 'NOTICE' && notice !== undefined
          ? { kind: 'notice', text: notice }
          : { kind: 'alert', text: words },
      );
    }
    return said;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
