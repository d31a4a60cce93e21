// What tracing costs HAProxy, in instructions a request in user space: callgrind counts them, the same on every machine
// and however busy it is. First without tracing, the question alone, and what `add` makes of it; then what is saved
// without each part of that. Needs valgrind (Debian's package) and `npm run build`; takes some minutes.
//
//     node benchmarks/instructions.mjs [program [options of add]]
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Haproxy } from '../dist/demo/haproxy.js';
import { freePorts } from '../dist/demo/ports.js';
import { THIS } from './builds.mjs';
import { startServer } from './chain.mjs';
import { ASKING_ENGINE, asking, untraced } from './configurations.mjs';
import { startAgent, stop } from './processes.mjs';

const [program = 'haproxy', ...options] = process.argv.slice(2);

/** The difference of two runs is free of what a start costs. */
const FEW = 200;
const MANY = 1_200;

const without = (pattern) => (config) => config.replace(pattern, '');
const PARTS = {
  'host, path and user agent': without(
    /^ *http-request set-var(-fmt)?\(txn\.otel\.(request|target)\).*\n/gm,
  ),
  'headers of other formats': without(/^ *http-request del-header (b3|x-|jaeger|uber).*\n/gm),
  'the request id': without(
    /^ *http-request set-(var\(txn\.otel\.request_id|header x-request-id).*\n/gm,
  ),
  'server-timing': without(/^ *http-after-response add-header server-timing.*\n/gm),
  'continuing without the agent': without(
    /^ *http-request set-var(-fmt)?\(txn\.otel\.(hop|tracestate|traceparent)\).*\n/gm,
  ),
  'times of the agent': without(
    /^ *(tcp-request content|http-request) set-var\(txn\.otel\.(received|answered)\).*\n/gm,
  ),
  'log levels': without(/^ *http-re\w+ +set-log-level.*\n/gm),
};

const { server, port: serverPort } = await startServer();
const plain = await instructions((site) => site.plain);
const question = await instructions(({ plain: text, ports, folder }) => {
  const engine = join(folder, 'engine.conf');
  writeFileSync(engine, ASKING_ENGINE);
  return asking(text, ports, engine);
});
const all = await instructions(wired);
print('untraced', plain);
print('question and answer', question, question / plain);
print(`add ${options.join(' ')}`, all, all / plain);
for (const [name, edit] of Object.entries(PARTS)) {
  const count = (await instructions((site) => edit(wired(site)))) - all;
  if (count !== 0) print(`  without ${name}`, count);
}
await server.stop();

function print(name, count, ratio) {
  const of = ratio === undefined ? '' : `   ${ratio.toFixed(2)}`;
  console.log(`${name.padEnd(44)} ${String(Math.round(count)).padStart(7)}${of}`);
}

function wired({ plain: text, ports, folder }) {
  const addresses = [
    '--spop',
    `127.0.0.1:${ports.spop}`,
    '--records',
    `127.0.0.1:${ports.records}`,
  ];
  const added = THIS.add(folder, text, program, [...addresses, ...options]);
  if (added === undefined) throw new Error(`this build does not know ${options.join(' ')}`);
  return added;
}

async function instructions(configure) {
  const few = await total(configure, FEW);
  return ((await total(configure, MANY)) - few) / (MANY - FEW);
}

/** Of a whole run with so many requests on one connection, one after the other. */
async function total(configure, requests) {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  const ports = { ...(await freePorts()), server: serverPort };
  const { child: agent } = await startAgent({
    HAPROXY_OTEL_SPOP: `127.0.0.1:${ports.spop}`,
    HAPROXY_OTEL_RECORDS: `127.0.0.1:${ports.records}`,
    OTEL_TRACES_EXPORTER: 'none',
  });
  const profile = join(folder, 'profile');
  const haproxy = await Haproxy.start({
    ports,
    command: [
      'valgrind',
      '--tool=callgrind',
      // A program may be a script that starts the real one in its place.
      '--trace-children=yes',
      `--callgrind-out-file=${profile}`,
      program,
    ],
    edit: () => configure({ plain: logged(ports, folder), ports, folder }),
  });
  await send(ports.http, requests);
  // In order: the profile is written at the end.
  await haproxy.stop('SIGUSR1');
  await stop(agent);
  const [, count] = /^(?:summary|totals): (\d+)/m.exec(readFileSync(profile, 'latin1'));
  rmSync(folder, { recursive: true });
  return Number(count);
}

/** As most have it: with an access log, which goes to a port of nobody's. */
function logged(ports, folder) {
  return untraced(ports, join(folder, 'stats')).replace(
    'defaults\n',
    `defaults\n    log 127.0.0.1:${ports.h2} local0\n    option httplog\n`,
  );
}

async function send(port, requests) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const options = { port, path: '/bench?user=7', agent, headers: { 'user-agent': 'wrk/4.1' } };
  for (let i = 0; i < requests; i += 1) {
    await new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', ...options }, (response) =>
        response.resume().once('end', resolve),
      ).once('error', reject);
    });
  }
  agent.destroy();
}
