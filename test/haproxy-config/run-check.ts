import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { checkCommand } from '../../src/check/command.ts';
import type { Finding } from '../../src/check/finding.ts';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { HAPROXY } from '../haproxy/chain.ts';

export const EXAMPLE = readFileSync(join(PACKAGE_ROOT, 'haproxy/haproxy.cfg'), 'utf8');
export const ENGINE = readFileSync(join(PACKAGE_ROOT, 'spoe/otel.conf'), 'utf8');

export type Report = {
  readonly haproxy: string;
  readonly files: readonly string[];
  readonly accepted: boolean | null;
  readonly frontends: readonly { kind: string; name: string; mode: string; traced: boolean }[];
  readonly findings: readonly Finding[];
};

export type CheckRun = {
  readonly exitCode: number;
  readonly report: Report;
  /** `code at the text of its line`, in order. */
  readonly found: readonly string[];
};

/** Writes files into a folder and runs `check` on some of them, asking the HAProxy under test. */
export function runCheck(
  folder: string,
  files: Readonly<Record<string, string>>,
  options: {
    readonly paths?: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
    readonly args?: readonly string[];
  } = {},
): CheckRun {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const { paths = ['haproxy.cfg'], env = {}, args = ['--haproxy', HAPROXY] } = options;
  const chosen = paths.map((path) => join(folder, path));
  let output = '';
  const exitCode = checkCommand(
    [...args, '--json', ...chosen],
    { PATH: process.env.PATH, ...env },
    (text) => {
      output += text;
    },
  );
  const report: Report = JSON.parse(output);
  const found = report.findings.map(({ code, file, line }) => {
    const text = readFileSync(file, 'utf8').split('\n')[line - 1] ?? '';
    return `${code} at ${text.trim().replace(/\s+/g, ' ')}`;
  });
  return { exitCode, report, found };
}

/** The example and its engine beside each other in `folder`, each edited. */
export function example(
  folder: string,
  edit: (config: string) => string = (config) => config,
  editEngine: (engine: string) => string = (engine) => engine,
): Record<string, string> {
  const config = EXAMPLE.replace('config spoe/otel.conf', `config ${join(folder, 'otel.conf')}`);
  return { 'haproxy.cfg': edit(config), 'otel.conf': editEngine(ENGINE) };
}

/** A replacement that must have happened. */
export function replacing(from: string | RegExp, to: string): (text: string) => string {
  return (text) => {
    const edited = text.replace(from, to);
    if (edited === text) throw new Error(`${from} is not there to be replaced`);
    return edited;
  };
}

/** Without the lines that match, of which there must be some. */
export function without(pattern: RegExp): (text: string) => string {
  return (text) => {
    const lines = text.split('\n');
    const kept = lines.filter((line) => !pattern.test(line));
    if (kept.length === lines.length) throw new Error(`no line matches ${pattern}`);
    return kept.join('\n');
  };
}
