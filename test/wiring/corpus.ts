import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generate } from 'selfsigned';

const CORPUS = join(import.meta.dirname, '../corpus');

export const CASES = readdirSync(CORPUS).filter((name) => /^\d\d-/.test(name));

/** Copies one configuration to `folder`, which is not there yet, with all that it refers to. */
export async function render(name: string, folder: string): Promise<{ readonly paths: string[] }> {
  cpSync(join(CORPUS, name), folder, { recursive: true });
  for (const each of ['jail/dev', 'run']) mkdirSync(join(folder, each), { recursive: true });
  writeFileSync(join(folder, 'site.pem'), await certificate());
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  for (const file of files.filter((each) => /\.(cfg|map|lst|lua|http)$/.test(each))) {
    const path = join(folder, file);
    const text = readFileSync(path, 'utf8')
      .replace(/@(PORT|APP|LOG)(\d+)@/g, (_, kind: string, number: string) =>
        String(({ PORT: 24_000, APP: 24_100 }[kind] ?? 24_200) + Number(number)),
      )
      .replaceAll('@DIR@', folder)
      .replace(/@(USER|GROUP)@/g, 'haproxy');
    writeFileSync(path, text);
  }
  const args = existsSync(join(folder, 'args'))
    ? readFileSync(join(folder, 'args'), 'utf8').trim()
    : '-f haproxy.cfg';
  return { paths: args.split(/\s+/).filter((word) => word !== '-f') };
}

let made: Promise<string> | undefined;

function certificate(): Promise<string> {
  made ??= generate([{ name: 'commonName', value: 'corpus.test' }]).then(
    ({ cert, private: key }) => `${cert}\n${key}`,
  );
  return made;
}

/** The texts of the configuration in a folder, by file. */
export function textsIn(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return Object.fromEntries(
    files
      .filter((file) => file.endsWith('.cfg'))
      .map((file) => [file, readFileSync(join(folder, file), 'latin1')]),
  );
}
