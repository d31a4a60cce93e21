import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { OtlpSpanKind } from '../../../src/demo/otlp-receiver.ts';
import { VERSION } from '../../../src/version.ts';
import { until } from '../../agent-process.ts';
import type { OtlpReceiver } from '../../otlp-receiver.ts';
import { steps } from '../readme.ts';
import { Machine } from './machine.ts';
import { architecture, buildPackage, PACKAGES } from './package.ts';

const path = steps('Ten minutes to a trace');

/** What is there before: Debian's configuration of HAProxy with a frontend, an application, and a Collector. */
const HOST = `
set -e
cat >>/etc/haproxy/haproxy.cfg <<'END'

frontend www
    bind :80
    default_backend app

backend app
    server app1 127.0.0.1:8090
END
systemctl start haproxy
systemd-run --quiet haproxy -db -f /srv/app.cfg

echo 127.0.0.1 collector.internal >>/etc/hosts
systemd-run --quiet --socket-property=ListenStream=127.0.0.1:4317 \\
    /lib/systemd/systemd-socket-proxyd /srv/otlp.sock

# Debian's haproxy.service reloads with that of procps, which the smallest Debian is without.
printf '#!/bin/sh\\nkill "$@"\\n' >/bin/kill
chmod +x /bin/kill
`;

/** Answers with its request's header. */
const APP = `
defaults
    mode http
    timeout connect 1s
    timeout client 5s
    timeout server 5s
frontend app
    bind 127.0.0.1:8090
    http-request return status 200 content-type text/plain lf-string "traceparent: %[req.hdr(traceparent)]"
`;

let machine: Machine;
let receiver: OtlpReceiver;
/** Of all commands so far. */
let printed = '';

beforeAll(async () => {
  const built = buildPackage(VERSION);
  machine = await Machine.boot();
  receiver = await machine.receiver();
  copyFileSync(built, join(machine.shared, basename(built)));
  writeFileSync(join(machine.shared, 'app.cfg'), APP);
  await machine.must('sh', '-c', HOST);
}, 300_000);

afterAll(async () => {
  receiver?.stop();
  await machine?.stop();
  rmSync(PACKAGES, { recursive: true, force: true });
});

/** Without what is another each time. Ids are numbered as they come, so that equal ones stay equal. */
function plain(text: string): string {
  const ids: string[] = [];
  return text
    .replace(/\b([0-9a-f]{32}|[0-9a-f]{16})\b/g, (id) => {
      if (!ids.includes(id)) ids.push(id);
      return `ID${ids.indexOf(id)}`;
    })
    .replace(/\d+\.\d ms|\d+ us/g, 'TIME')
    .replace(/HAProxy \d\.\d+\.\d[^\s,]*/g, 'HAProxy VERSION');
}

/** Matches what is shown; a line with an ellipsis is any lines. */
function shown(text: string): RegExp {
  const lines = plain(text)
    .split(/(?<=\n)/)
    .map((line) => (line === '…\n' ? '(.*\n)*' : line.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')));
  return new RegExp(`^${lines.join('')}$`);
}

/** How often HAProxy has asked the agent whether it is there: it does once it runs with the lines of `add`. */
async function healthChecks(): Promise<number> {
  const fetched = "fetch('http://127.0.0.1:12347/metrics').then((r) => r.text()).then(console.log)";
  const metrics = await machine.must('/usr/lib/haproxy-otel-spoa/node', '-e', fetched);
  return Number(
    /^haproxy_otel_spop_handshakes_total\{kind="healthcheck"\} (\d+)/m.exec(metrics)?.[1],
  );
}

test.each(path)('$command', async ({ command, output }) => {
  // Where the package was copied to.
  const line = command.replace('_amd64.deb', `_${architecture()}.deb`);
  const run = await machine.run('env', '--chdir=/srv', 'sh', '-c', line);
  printed += run.output;
  expect(plain(run.output)).toMatch(shown(output));
  // Its next worker starts while the command that reloads it ends.
  if (command.includes('reload haproxy\n')) {
    await until('the next worker of HAProxy', async () => (await healthChecks()) > 0);
  }
});

test('the receiver got both spans of the trace that the last command names', () => {
  const [, traceId = ''] = /^trace id (\w+)$/m.exec(printed) ?? [];
  const [, spanId = ''] = /HAProxy's span is (\w+)$/m.exec(printed) ?? [];
  const [, parent = ''] = /the server got trace \w+, parent (\w+)$/m.exec(printed) ?? [];
  expect(path).toHaveLength(5);
  expect(receiver.spans).toMatchObject([
    { kind: OtlpSpanKind.SERVER, traceId, spanId, name: 'GET' },
    { kind: OtlpSpanKind.CLIENT, traceId, spanId: parent, parentSpanId: spanId },
  ]);
  expect(receiver.spans[0]?.attributes).toMatchObject({
    'haproxy.frontend.name': 'www',
    'url.path': '/api/orders',
  });
});
