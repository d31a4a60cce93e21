// Builds the Debian package from dist/, node_modules/ and the files in haproxy/ and spoe/:
//
//     node haproxy/debian/build.mjs [--version VERSION] [--output FOLDER] [--uncompressed]
//
// prints the path of the .deb. The same commit gives the same bytes. A machine needs nothing but dpkg-deb and npm.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { fetchRuntime, RUNTIME_VERSION } from './runtime.mjs';

const ROOT = join(import.meta.dirname, '../..');
const NAME = 'haproxy-otel-spoa';
const HOME = `usr/lib/${NAME}`;
const DOC = `usr/share/doc/${NAME}`;
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));

const { values } = parseArgs({
  options: {
    version: { type: 'string', default: manifest.version },
    output: { type: 'string', default: join(ROOT, '.cache') },
    uncompressed: { type: 'boolean', default: false },
  },
});
const { version, output } = values;
const compression = values.uncompressed ? ['-Znone'] : ['-Zxz', '-z0', '--threads-max=2'];

const architecture = execFileSync('dpkg', ['--print-architecture'], { encoding: 'utf8' }).trim();
const epoch = Number(
  process.env.SOURCE_DATE_EPOCH ??
    execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: ROOT, encoding: 'utf8' }),
);

const staging = mkdtempSync(join(tmpdir(), 'haproxy-otel-deb-'));
try {
  addProgram();
  addUnits();
  addDocumentation();
  addControl();
  normalize(staging);
  mkdirSync(output, { recursive: true });
  const path = join(output, `${NAME}_${version}_${architecture}.deb`);
  execFileSync('dpkg-deb', ['--root-owner-group', ...compression, '--build', staging, path], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, SOURCE_DATE_EPOCH: String(epoch) },
  });
  process.stdout.write(`${path}\n`);
} finally {
  rmSync(staging, { recursive: true });
}

/** The built program with its dependencies, the runtime, and what HAProxy loads. */
function addProgram() {
  copy(join(ROOT, 'dist'), `${HOME}/dist`);
  copy(join(ROOT, 'spoe'), `${HOME}/spoe`);
  const forHaproxy = (path) => !/\/(debian|systemd|install\.sh|[^/]*\.8)$/.test(path);
  copy(join(ROOT, 'haproxy'), `${HOME}/haproxy`, forHaproxy);
  const { name, type, license, dependencies, engines } = manifest;
  write(
    `${HOME}/package.json`,
    `${JSON.stringify({ name, version, type, license, engines, dependencies }, null, 2)}\n`,
  );
  for (const path of productionPackages()) {
    copy(join(ROOT, path), `${HOME}/${path}`, (file) => isNeeded(file, path));
  }
  copy(fetchRuntime(architecture, join(ROOT, '.cache/runtime')), `${HOME}/node`);
  // The launcher names the runtime.
  const main = join(staging, HOME, 'dist/main.js');
  writeFileSync(main, readFileSync(main, 'utf8').replace(/^#!.*\n/, ''));
  write(`usr/bin/${NAME}`, `#!/bin/sh\nexec /${HOME}/node /${HOME}/dist/main.js "$@"\n`);
}

/** What the lock file has without `dev`; types are for compilers only. */
function productionPackages() {
  return Object.entries(lock.packages)
    .filter(([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional)
    .map(([path]) => path)
    .filter((path) => !/node_modules\/(@types\/|undici-types)/.test(path));
}

/** Not needed to run: types, source maps, documentation, and packages of its own, which have entries of theirs. */
function isNeeded(file, own) {
  const inside = file.slice(join(ROOT, own).length);
  return (
    !/\.(map|md|markdown|html|ts|mts|cts|yml|flow|sh)$|\/\.[^/]*$/.test(inside) &&
    !/^\/(bin|bin\.js|build\/bin|test|tests|benchmarks|examples|docs|node_modules)$/.test(inside)
  );
}

function addUnits() {
  for (const file of readdirSync(join(ROOT, 'haproxy/systemd'))) {
    const target = file.endsWith('.env') ? `etc/${NAME}` : 'usr/lib/systemd/system';
    copy(join(ROOT, 'haproxy/systemd', file), `${target}/${file}`);
  }
  mkdirSync(join(staging, `etc/${NAME}/credentials`));
}

function addDocumentation() {
  const man = readFileSync(join(ROOT, `haproxy/${NAME}.8`));
  write(`usr/share/man/man8/${NAME}.8.gz`, gzipSync(man, { level: 9 }));
  for (const file of ['README.md', 'SECURITY.md']) copy(join(ROOT, file), `${DOC}/${file}`);
  for (const file of readdirSync(join(ROOT, 'docs'))) {
    copy(join(ROOT, 'docs', file), `${DOC}/docs/${file}`);
  }
  write(`${DOC}/NEWS.gz`, gzipSync(readFileSync(join(ROOT, 'CHANGELOG.md')), { level: 9 }));
  const date = new Date(epoch * 1000).toUTCString().replace('GMT', '+0000');
  const entry = `${NAME} (${version}) unstable; urgency=medium\n\n  * See NEWS.gz.\n\n -- ${maintainer()}  ${date}\n`;
  write(`${DOC}/changelog.gz`, gzipSync(entry, { level: 9 }));
  const licenses = productionPackages().map(
    (path) => ` ${path.replace(/.*node_modules\//, '')}: ${lock.packages[path].license}`,
  );
  const copyright = readFileSync(join(import.meta.dirname, 'copyright'), 'utf8');
  write(`${DOC}/copyright`, copyright.replace('@PACKAGES@', licenses.join('\n')));
  const runtime = readFileSync(join(ROOT, '.cache/runtime/LICENSE'));
  write(`${DOC}/node.LICENSE.gz`, gzipSync(runtime, { level: 9 }));
  copy(join(import.meta.dirname, 'lintian-overrides'), `usr/share/lintian/overrides/${NAME}`);
}

function maintainer() {
  const control = readFileSync(join(import.meta.dirname, 'control'), 'utf8');
  return /^Maintainer: (.*)$/m.exec(control)?.[1];
}

function addControl() {
  const installed = files(staging).filter((file) => lstatSync(join(staging, file)).isFile());
  const size = installed.reduce((sum, file) => sum + lstatSync(join(staging, file)).size, 0);
  const control = readFileSync(join(import.meta.dirname, 'control'), 'utf8')
    .replace('@VERSION@', version)
    .replace('@ARCHITECTURE@', architecture)
    .replace('@RUNTIME@', RUNTIME_VERSION)
    .replace('@SIZE@', String(Math.ceil(size / 1024)));
  write('DEBIAN/control', control);
  const configuration = installed.filter((file) => file.startsWith('etc/'));
  write('DEBIAN/conffiles', configuration.map((file) => `/${file}\n`).join(''));
  const sums = installed
    .filter((file) => !file.startsWith('etc/'))
    .map((file) => `${md5(readFileSync(join(staging, file)))}  ${file}\n`);
  write('DEBIAN/md5sums', sums.join(''));
  for (const script of ['postinst', 'prerm', 'postrm']) {
    copy(join(import.meta.dirname, script), `DEBIAN/${script}`);
    chmodSync(join(staging, 'DEBIAN', script), 0o755);
  }
}

/** Modes and times that do not depend on who builds, and where. */
function normalize(folder) {
  for (const file of ['', ...files(folder)]) {
    const path = join(folder, file);
    const status = lstatSync(path);
    if (status.isDirectory()) chmodSync(path, file.endsWith('/credentials') ? 0o700 : 0o755);
    else if (file.endsWith('/secrets.env')) chmodSync(path, 0o600);
    else if (!status.isSymbolicLink()) chmodSync(path, isProgram(file) ? 0o755 : 0o644);
  }
  for (const file of [...files(folder).reverse(), ''])
    lutimesSync(join(folder, file), epoch, epoch);
}

function isProgram(file) {
  return (
    /^DEBIAN\/(postinst|prerm|postrm)$/.test(file) ||
    [`usr/bin/${NAME}`, `${HOME}/node`].includes(file)
  );
}

/** All below `folder`, each folder before what is in it, in the order of their names. */
function files(folder) {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
}

function copy(from, to, filter = () => true) {
  if (!existsSync(from)) throw new Error(`${from} is missing: npm ci, npm run build`);
  mkdirSync(dirname(join(staging, to)), { recursive: true });
  cpSync(from, join(staging, to), { recursive: true, filter: (file) => filter(file) });
}

function write(to, content) {
  mkdirSync(dirname(join(staging, to)), { recursive: true });
  writeFileSync(join(staging, to), content);
}

function md5(bytes) {
  return createHash('md5').update(bytes).digest('hex');
}
