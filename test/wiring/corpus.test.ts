import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { CASES, render, textsIn } from './corpus.ts';
import { haproxyCheck, wiring } from './run.ts';

const root = mkdtempSync(join(tmpdir(), 'haproxy-otel-corpus-'));
afterAll(() => rmSync(root, { recursive: true }));

test.each(CASES)(
  '%s: add is accepted without a new warning, changes nothing twice, and is undone',
  async (name) => {
    const folder = join(root, name);
    const { paths } = await render(name, folder);
    const before = textsIn(folder);
    const plain = haproxyCheck(folder, paths);
    expect(plain.accepted).toBe(true);

    const dry = wiring(folder, 'add', paths, []);
    expect(dry).toMatchObject({ status: 0, err: '' });
    expect(textsIn(folder)).toEqual(before);
    const names = JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8')).frontends.map(
      (frontend: { name: string }) => frontend.name,
    );
    for (const frontend of names) {
      expect(dry.out).toMatch(
        new RegExp(
          `^(frontend|listen) ${frontend}: traced, context of (private networks|nobody) continued`,
          'm',
        ),
      );
    }

    expect(wiring(folder, 'add', paths)).toMatchObject({ status: 0, err: '' });
    const wired = haproxyCheck(folder, paths);
    expect(wired.accepted).toBe(true);
    expect(wired.said.length).toBe(plain.said.length);
    const once = textsIn(folder);
    expect(once).not.toEqual(before);
    expect(wiring(folder, 'add', paths).out).toContain('Nothing is to be changed.');
    expect(textsIn(folder)).toEqual(once);

    // Somebody works on other lines meanwhile.
    const [first = ''] = Object.keys(before);
    const edited = (text: string): string =>
      `# edited\n${text.replace(/maxconn +\d+/, 'maxconn 100')}# end\n`;
    writeFileSync(join(folder, first), edited(once[first] ?? ''), 'latin1');
    expect(wiring(folder, 'remove', paths)).toMatchObject({ status: 0, err: '' });
    expect(textsIn(folder)).toEqual({ ...before, [first]: edited(before[first] ?? '') });
    expect(existsSync(join(folder, 'haproxy-otel-spoa.conf'))).toBe(false);
  },
);
