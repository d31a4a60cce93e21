// Writes into the manifests, and into the compose file's HAProxy, what `haproxy-otel-spoa add` writes into a configuration.
//
//     node haproxy/kubernetes/generate.mjs [--check] [--haproxy PROGRAM]
//
// With --check it names what is not as it would be written, and exits with 1.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseAllDocuments, Scalar } from 'yaml';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const KUBERNETES = join(ROOT, 'haproxy/kubernetes');
const ENGINE = 'haproxy-otel-spoa.conf';
/** Where the official image of HAProxy has its configuration. */
const IMAGE = '/usr/local/etc/haproxy';
/** Where the pods of the ingress controllers have the engine. */
const MOUNT = '/etc/haproxy-otel';

const { values } = parseArgs({
  options: { check: { type: 'boolean' }, haproxy: { type: 'string' } },
});

/** A section that inherits no rules has them all in itself. Who else logs wants his lines as they were. */
const LISTEN = `defaults
    mode http
    log 127.0.0.1:514 local0 notice
    option httplog
    timeout connect 1s
    timeout client 1s
    timeout server 1s

listen www
    bind unix@/tmp/never
    server app 127.0.0.1:1
`;

/** What `add` makes of a configuration whose engine's file lies in the folder `mount`. */
function added(config, mount, args) {
  const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-manifests-'));
  const file = join(folder, 'haproxy.cfg');
  try {
    writeFileSync(file, config.replaceAll(mount, folder));
    const program = values.haproxy === undefined ? [] : ['--haproxy', values.haproxy];
    const command = ['add', '-f', file, ...args, ...program, '--write'];
    execFileSync(process.execPath, [join(ROOT, 'dist/main.js'), ...command], { stdio: 'pipe' });
    return {
      config: readFileSync(file, 'utf8').replaceAll(folder, mount),
      engine: readFileSync(join(folder, ENGINE), 'utf8'),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The lines between our markers, block by block. */
function blocksOf(config) {
  return [...config.matchAll(/^ *# >>> otel.*\n([\s\S]*?)^ *# <<< otel\n/gm)].map(
    ([, body]) => body,
  );
}

const withoutIndent = (text) => text.replace(/^ {4}/gm, '');

/** For a frontend that somebody else writes: nobody's context is continued unless the first line is changed. */
function snippets() {
  const { config, engine } = added(LISTEN, MOUNT, ['--trust', 'restart']);
  const [outside, inside] = blocksOf(config);
  const [, environment, sections] = /^#.*\nglobal\n([\s\S]*?)\n(ring [\s\S]*)$/.exec(outside);
  return {
    engine: engine.replace(/^# Written by .*\n/, ''),
    environment: withoutIndent(environment),
    sections,
    frontend: withoutIndent(inside),
  };
}

/** The text of a file of manifests, with values of the ConfigMap in it, or of the patch of one. */
function manifest(path, data) {
  const documents = parseAllDocuments(readFileSync(join(KUBERNETES, path), 'utf8'));
  const target = documents.find((document) => document.has('data'));
  target.set('data', target.createNode({}));
  for (const [key, text] of Object.entries(data)) {
    const value = new Scalar(text);
    value.type = Scalar.BLOCK_LITERAL;
    target.setIn(['data', key], value);
  }
  return documents.map((document) => document.toString({ lineWidth: 0 })).join('');
}

const compose = join(ROOT, 'haproxy/compose');
const whole = added(readFileSync(join(compose, 'haproxy.cfg'), 'utf8'), IMAGE, [
  '--frontend',
  'www',
]);
const { engine, environment, sections, frontend } = snippets();
// A backend of the auxiliary file would have the timeouts and loggers of the controller's last defaults section.
const auxiliary = `defaults otel-plain\n    timeout connect 1s\n\n${sections.replace(
  /^backend otel-agents$/m,
  '$& from otel-plain',
)}`;

const written = {
  [join(compose, 'haproxy.cfg')]: whole.config,
  [join(compose, ENGINE)]: whole.engine,
  [join(KUBERNETES, 'sidecar.yaml')]: manifest('sidecar.yaml', {
    'haproxy.cfg': whole.config,
    [ENGINE]: whole.engine,
  }),
  [join(KUBERNETES, 'haproxytech/files.yaml')]: manifest('haproxytech/files.yaml', {
    'haproxy-aux.cfg': auxiliary,
    [ENGINE]: engine,
  }),
  [join(KUBERNETES, 'haproxytech/settings.yaml')]: manifest('haproxytech/settings.yaml', {
    'global-config-snippet': environment,
    'frontend-config-snippet': frontend,
  }),
  [join(KUBERNETES, 'haproxy-ingress/files.yaml')]: manifest('haproxy-ingress/files.yaml', {
    [ENGINE]: engine,
  }),
  [join(KUBERNETES, 'haproxy-ingress/settings.yaml')]: manifest('haproxy-ingress/settings.yaml', {
    'config-global': environment,
    'config-sections': sections,
    'config-frontend-early': frontend,
  }),
};

for (const [path, text] of Object.entries(written)) {
  const there = readIfThere(path);
  if (there === text) continue;
  if (values.check) {
    process.stdout.write(`${path.slice(ROOT.length)} differs\n`);
    process.exitCode = 1;
  } else writeFileSync(path, text);
}

function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
