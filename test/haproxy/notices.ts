import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HAPROXY } from '../end-to-end/chain.ts';

/** HAProxy's message about each line of a configuration, by its number: a notice's text, or that it is refused. */
export type Notice =
  | { readonly kind: 'notice'; readonly text: string }
  | { readonly kind: 'alert'; readonly text: string };

/** Has the real HAProxy read `text`, in which `.notice` lines print how it reads them. */
export function noticesOf(
  text: string,
  env: Readonly<Record<string, string>> = {},
): ReadonlyMap<number, Notice> {
  const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-notices-'));
  try {
    const file = join(folder, 'notices.cfg');
    writeFileSync(file, text);
    const { stderr, stdout } = spawnSync(HAPROXY, ['-c', '-f', file], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, ...env },
    });
    const notices = new Map<number, Notice>();
    for (const line of `${stderr}\n${stdout}`.split('\n')) {
      const [, level, number, words = ''] =
        /^\[(NOTICE|ALERT)\].*?parsing \[[^\]]*:(\d+)\]\s*:\s*(.*)$/.exec(line) ?? [];
      if (level === undefined || notices.has(Number(number))) continue;
      const notice = /^'(.*)'\.$/.exec(words)?.[1];
      notices.set(
        Number(number),
        level === 'NOTICE' && notice !== undefined
          ? { kind: 'notice', text: notice }
          : { kind: 'alert', text: words },
      );
    }
    return notices;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
