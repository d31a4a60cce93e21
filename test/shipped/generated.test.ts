import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { COMMANDS, plainText } from '../../src/commands.ts';
import { SETTINGS, type Setting } from '../../src/config/table.ts';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { type Command, describe } from '../../src/options.ts';

const settings = Object.entries<Setting>(SETTINGS);

const HIDDEN = {
  value: '; never logged',
  user: '; user and password in it are never logged',
  content: '; what is in it is never logged',
} as const;

const IN_FORCE = { yes: 'reload', 'same exporter': 'reload, same kind of exporter' } as const;

/** What a setting is for, with what else has to be known of it. */
const meaning = ({ description, secret }: Setting): string =>
  description + (secret === undefined ? '' : HIDDEN[secret]);

const inForce = ({ reload }: Setting): string => (reload ? IN_FORCE[reload] : 'restart');

/** @param patterns names of settings, with `*` for what may stand there */
function settingsTable(patterns: readonly string[]): string {
  const wanted = new RegExp(`^(${patterns.join('|').replaceAll('*', '.*')})$`);
  const rows = settings
    .filter(([name]) => wanted.test(name))
    .map(([name, setting]) => {
      const { default: written = '', type } = setting;
      const accepts = type.accepts.replace(/,$/, '').replaceAll('|', '\\|');
      const code = written === '' ? '' : `\`${written}\``;
      const cells = [`\`${name}\``, code, accepts, inForce(setting), meaning(setting)];
      return `| ${cells.join(' | ')} |`.replaceAll('|  |', '| |');
    });
  return [
    '| Variable | Default | Accepted | In force after | Meaning |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

/** Names of settings that a running agent adopts; those of OTLP as one. */
function reloaded(kind: Setting['reload'], rest: string): string[] {
  const names = settings
    .filter(([, { reload }]) => reload === kind)
    .map(([name, { perSignal }]) => (perSignal ? `OTEL_EXPORTER_OTLP_${rest}` : name));
  return [...new Set(names)];
}

const enclosed = (names: readonly string[]): string =>
  names.map((name) => `\`${name}\``).join(', ');

/** Lines that are not longer than `width`. */
const filled = (text: string, width: number): string[] =>
  text.match(new RegExp(`\\S.{0,${width - 1}}(?= |$)`, 'g')) ?? [];

/** As the formatter of manual pages has text. */
const roff = (text: string): string =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('…', '*')
    .replace(/^(?=[.'])/, '\\&');

const paragraph = (text: string): string[] => filled(text, 116).map(roff);

function optionsOf(name: string, { summary, operands, about, options, notes }: Command): string[] {
  const list = Object.entries(options).flatMap(([option, each]) => [
    '.TP',
    (each.short === undefined ? '' : `\\fB\\-${each.short}\\fR, `) +
      `\\fB\\-\\-${roff(option)}\\fR` +
      (each.value === undefined ? '' : ` \\fI${each.value}\\fR`),
    ...paragraph('setting' in each ? `As ${each.setting} below.` : describe(each)),
  ]);
  return [
    `.SS haproxy\\-otel\\-spoa ${name} [options] ${operands}`.trimEnd(),
    ...paragraph(`${summary[0]?.toUpperCase()}${summary.slice(1)}. ${about ?? ''}`.trim()),
    ...list,
    ...(notes === undefined ? [] : ['.PP', ...paragraph(notes)]),
  ];
}

const manSynopsis = (): string[] =>
  Object.entries<Command>(COMMANDS)
    .flatMap(([name, { operands }]) => [
      '.br',
      `.B haproxy\\-otel\\-spoa ${name === 'run' ? '[run]' : name}`,
      `[options] ${operands}`.trimEnd(),
    ])
    .slice(1);

const manSettings = (): string[] =>
  settings.flatMap(([name, setting]) => {
    const { default: written, type } = setting;
    const parts = [
      plainText(meaning(setting)),
      `accepted: ${type.accepts.replace(/,$/, '')}`,
      ...(written === undefined ? [] : [`default: ${written}`]),
      `in force after: ${inForce(setting)}`,
    ];
    return ['.TP', `.B ${name}`, ...paragraph(`${parts.join('; ')}.`)];
  });

const manReload = (): string[] =>
  paragraph(
    `In force at once: ${reloaded('yes', '*').join(', ')}, and for the same kind of exporter ${reloaded('same exporter', '*').join(', ')}.`,
  );

/** Returns the file with the text between its marks generated anew: a mark is a line of its own, and names the text. */
function regenerated(
  path: string,
  [begin, end]: readonly [begin: RegExp, end: string],
  make: (what: string) => string,
): string {
  const text = readFileSync(join(PACKAGE_ROOT, path), 'utf8');
  const marked = new RegExp(`^(${begin.source})\\n[\\s\\S]*?^(?=${end})`, 'gm');
  return text.replace(marked, (_, mark: string, what: string) => `${mark}\n${make(what)}\n`);
}

const MARKDOWN = [/<!-- made from src\/config\/table\.ts: (.*) -->/, '<!-- end -->'] as const;
const ROFF = [/\.\\" made from the code: (.*)/, '\\.\\\\" end'] as const;

const snapshot = (path: string, text: string): Promise<void> =>
  expect(text).toMatchFileSnapshot(join(PACKAGE_ROOT, path));

test.each(['configuration', 'metrics', 'logs', 'operations'])(
  'docs/%s.md has the settings as the table has them; npm run generate writes it anew',
  async (name) => {
    const path = `docs/${name}.md`;
    const made = regenerated(path, MARKDOWN, (what) => {
      if (what !== 'reload') return `\n${settingsTable(what.split(' '))}\n`;
      const [always, same] = [reloaded('yes', '…'), reloaded('same exporter', '…')];
      const text = `In force at once: ${enclosed(always)}, and for the same kind of exporter ${enclosed(same)}, with what is in the files that they name, and the proxy. Others that changed are named in one warning, and in force after an [upgrade](#upgrade) or a restart.`;
      return `\n${filled(text, 124).join('\n')}\n`;
    });
    expect(made).toMatch(MARKDOWN[0]);
    await snapshot(path, made);
  },
);

test('the man page has the commands and settings as their tables have them', async () => {
  const sections: Readonly<Record<string, () => string[]>> = {
    synopsis: manSynopsis,
    options: () => Object.entries(COMMANDS).flatMap(([name, command]) => optionsOf(name, command)),
    settings: manSettings,
    reload: manReload,
  };
  const path = 'haproxy/haproxy-otel-spoa.8';
  const found: string[] = [];
  const made = regenerated(path, ROFF, (what) => {
    found.push(what);
    return sections[what]?.().join('\n') ?? '';
  });
  expect(found.sort()).toEqual(Object.keys(sections).sort());
  expect(made).toMatch(/^[\n -~]*$/);
  await snapshot(path, made);
});

test('the settings of the package have what a reload changes', async () => {
  const path = 'haproxy/systemd/settings.env';
  const names = [...reloaded('yes', '*'), ...reloaded('same exporter', '*')].join(', ');
  const lines = filled(names, 70).map((line, index) => {
    const head = index === 0 ? '#     systemctl reload haproxy-otel-spoa' : '#';
    return head.padEnd(46) + line;
  });
  const text = readFileSync(join(PACKAGE_ROOT, path), 'utf8');
  const made = text.replace(
    /^# {5}systemctl reload [\s\S]*?(?=^# {5}systemctl restart)/m,
    `${lines.join('\n')}\n`,
  );
  await snapshot(path, made);
});
