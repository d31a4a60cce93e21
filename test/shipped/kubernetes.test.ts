import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { OtlpSpanKind, type ReceivedSpan } from '../../src/demo/otlp-receiver.ts';
import { freePort } from '../../src/demo/ports.ts';
import { VERSION } from '../../src/version.ts';
import { AgentProcess, until } from '../agent-process.ts';
import { get, HAPROXY } from '../end-to-end/chain.ts';
import { OtlpReceiver } from '../otlp-receiver.ts';
import { render } from '../wiring/corpus.ts';

const IMAGE = `haproxy-otel-spoa:${VERSION}`;
const CONTROLLERS = ['haproxytech', 'haproxy-ingress'] as const;
/** Rules of a snippet stand behind those of the controller, which HAProxy runs in its own order all the same. */
const ORDER = /will still be processed before/;

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-kubernetes-'));
let receiver: OtlpReceiver;
let agent: AgentProcess;
let application: Server;
/** Of what the files name by the ports that they ship. */
const ports = { spop: 0, records: 0, application: 0 };

beforeAll(async () => {
  receiver = await OtlpReceiver.start();
  for (const name of ['spop', 'records', 'application'] as const) ports[name] = await freePort();
  application = createServer(({ headers }, response) => {
    response.end(JSON.stringify(headers));
  }).listen(ports.application, '127.0.0.1');
  agent = await AgentProcess.start({
    HAPROXY_OTEL_SPOP: `127.0.0.1:${ports.spop}`,
    HAPROXY_OTEL_RECORDS: `127.0.0.1:${ports.records}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
    OTEL_BSP_SCHEDULE_DELAY: '20',
  });
});

afterAll(async () => {
  await agent?.end();
  application?.close();
  receiver?.stop();
  rmSync(folder, { recursive: true });
});

type Container = { readonly image: string; readonly volumeMounts?: readonly { name: string }[] };

type Pod = {
  readonly initContainers: readonly Container[];
  readonly containers: readonly Container[];
  readonly volumes: readonly { name: string; configMap: { name: string } }[];
};

type Manifest = {
  readonly kind?: string;
  readonly metadata: { readonly name: string };
  readonly spec: { readonly selector: object; readonly template: { readonly spec: Pod } };
  readonly data: Readonly<Record<string, string>>;
};

function manifests(path: string): Manifest[] {
  const text = readFileSync(join(PACKAGE_ROOT, 'haproxy/kubernetes', path), 'utf8');
  return parseAllDocuments(text).map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS();
  });
}

function dataOf(path: string): Readonly<Record<string, string>> {
  const found = manifests(path).find(({ data }) => data !== undefined);
  return found?.data ?? {};
}

/** With the agent's ports of this test. */
const here = (text: string): string =>
  text
    .replaceAll('127.0.0.1:12345', `127.0.0.1:${ports.spop}`)
    .replaceAll('127.0.0.1:12346', `127.0.0.1:${ports.records}`);

/** What HAProxy prints about files, which it has to accept. */
function warningsOf(files: readonly string[]): string[] {
  const args = ['-c', ...files.flatMap((file) => ['-f', file])];
  const { status, stderr, stdout } = spawnSync(HAPROXY, args, { encoding: 'utf8' });
  expect([status, status === 0 ? '' : `${stdout}${stderr}`]).toEqual([0, '']);
  const lines = stderr.split('\n').filter((line) => line.includes('[WARNING]'));
  return lines.map((line) => line.replace(/\(\d+\)/, ''));
}

/** Runs HAProxy on files until `use` is over. */
async function running(files: readonly string[], use: () => Promise<void>): Promise<void> {
  const args = ['-db', ...files.flatMap((file) => ['-f', file])];
  const child: ChildProcess = spawn(HAPROXY, args, { stdio: 'ignore' });
  try {
    await use();
  } finally {
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    }
  }
}

/** Requests until the agent was asked for one; its hop, both spans, and what the server got. */
async function traced(
  port: number,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly server: ReceivedSpan; readonly got: Record<string, string> }> {
  return until(`a traced request for ${path}`, async () => {
    const response = await get(port, path, { headers }).catch(() => undefined);
    if (response?.status !== 200) return undefined;
    const sent: Record<string, string> = response.body.startsWith('{')
      ? JSON.parse(response.body)
      : Object.fromEntries([response.body.trim().split(': ')]);
    const [, traceId, parent] = sent.traceparent?.split('-') ?? [];
    const hop = await until(
      'its spans',
      () => {
        const client = receiver.spans.find(({ spanId }) => spanId === parent);
        const server = receiver.spans.find(({ spanId }) => spanId === client?.parentSpanId);
        return server && client && { server, client };
      },
      2_000,
    ).catch(() => undefined);
    if (hop === undefined || hop.server.attributes['haproxy.agent_away'] === true) return undefined;
    expect([hop.server.traceId, hop.client.traceId]).toEqual([traceId, traceId]);
    expect([hop.server.kind, hop.client.kind]).toEqual([OtlpSpanKind.SERVER, OtlpSpanKind.CLIENT]);
    return { server: hop.server, got: sent };
  });
}

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const STRANGER = { traceparent: `00-${TRACE}-b7ad6b7169203331-01` };

test('the lines in the manifests are those of add', () => {
  const generate = join(PACKAGE_ROOT, 'haproxy/kubernetes/generate.mjs');
  const { status, stdout } = spawnSync(
    process.execPath,
    [generate, '--check', '--haproxy', HAPROXY],
    { encoding: 'utf8' },
  );
  expect([status, stdout]).toEqual([0, '']);
});

/** The HAProxy of a folder, by its own configuration. */
async function ownConfiguration(files: Readonly<Record<string, string>>, name: string) {
  const own = join(folder, name);
  mkdirSync(own);
  const port = await freePort();
  for (const [file, text] of Object.entries(files)) {
    const local = here(text)
      .replaceAll('/usr/local/etc/haproxy', own)
      .replaceAll('bind :8080', `bind 127.0.0.1:${port}`)
      .replaceAll('127.0.0.1:8090', `127.0.0.1:${await freePort()}`);
    writeFileSync(join(own, file), local);
  }
  return { port, file: join(own, 'haproxy.cfg') };
}

test.each([
  [
    'compose',
    () =>
      Object.fromEntries(
        ['haproxy.cfg', 'haproxy-otel-spoa.conf'].map((file) => [
          file,
          readFileSync(join(PACKAGE_ROOT, 'haproxy/compose', file), 'utf8'),
        ]),
      ),
  ],
  ['sidecar', () => dataOf('sidecar.yaml')],
])(
  '%s: HAProxy accepts its files without a warning, and a request is traced',
  async (name, read) => {
    const { port, file } = await ownConfiguration(read(), name);
    expect(warningsOf([file])).toEqual([]);
    await running([file], async () => {
      const { server } = await traced(port, '/api/orders', STRANGER);
      expect(server.traceId).toBe(TRACE);
      expect(server.attributes['haproxy.frontend.name']).toBe('www');
    });
  },
);

test('the pods have what they name', () => {
  const [, deployment, service] = manifests('sidecar.yaml');
  expect([deployment?.kind, service?.kind]).toEqual(['Deployment', 'Service']);
  expect(deployment?.spec.selector).toEqual({ matchLabels: service?.spec.selector });
  for (const file of ['sidecar.yaml', ...CONTROLLERS.map((name) => `${name}/deployment.yaml`)]) {
    const pod = manifests(file).find(({ spec }) => spec?.template !== undefined)?.spec.template
      .spec;
    expect(pod?.initContainers).toMatchObject([
      {
        image: IMAGE,
        restartPolicy: 'Always',
        securityContext: { runAsNonRoot: true, readOnlyRootFilesystem: true },
        livenessProbe: { exec: { command: ['/nodejs/bin/node', 'haproxy/health.mjs'] } },
      },
    ]);
    const mounted = pod?.containers.flatMap(({ volumeMounts = [] }) =>
      volumeMounts.map(({ name }) => name),
    );
    expect([...new Set(mounted)]).toEqual(pod?.volumes.map(({ name }) => name));
    const source = file.replace('deployment', 'files');
    expect(pod?.volumes.map(({ configMap }) => configMap.name)).toEqual(
      manifests(source).flatMap(({ data, metadata }) => (data ? [metadata.name] : [])),
    );
  }
});

/** As deep as a controller writes the lines of a section. */
const indented = (text: string, depth: number): string =>
  text.replace(/^(?=.)/gm, ' '.repeat(depth));

/** A controller's configuration of its own, by its shape in the corpus, with the ports of this test. */
async function controllers(
  name: string,
): Promise<{ own: string; port: number; plain: readonly string[] }> {
  const own = join(folder, name);
  await render(name, own);
  const path = join(own, 'haproxy.cfg');
  let text = readFileSync(path, 'utf8').replace(/^ *(daemon|master-worker)\n/gm, '');
  for (const [address] of text.matchAll(/127\.0\.0\.1:24[01]\d\d/g)) {
    const isApplication = address.includes(':241');
    const port = isApplication ? ports.application : await freePort();
    text = text.replaceAll(new RegExp(`${address}\\b`, 'g'), `127.0.0.1:#${port}`);
  }
  text = text.replaceAll('127.0.0.1:#', '127.0.0.1:');
  writeFileSync(path, text);
  const [, port] =
    /^frontend (?:http|_front_http)\b[\s\S]*?bind 127\.0\.0\.1:(\d+)/m.exec(text) ?? [];
  return { own, port: Number(port), plain: warningsOf([path]) };
}

const edit = (path: string, change: (text: string) => string): void =>
  writeFileSync(path, change(readFileSync(path, 'utf8')));

/** What every pod of a controller has to do for a stranger's request. */
async function strangerIsTraced(port: number, frontend: string): Promise<void> {
  const { server, got } = await traced(port, '/exact', { ...STRANGER, host: 'shop.corpus.test' });
  expect(server.traceId).not.toBe(TRACE);
  expect(server.links).toMatchObject([{ traceId: TRACE }]);
  expect(server.attributes).toMatchObject({
    'haproxy.frontend.name': frontend,
    'server.address': 'shop.corpus.test',
    'url.path': '/exact',
  });
  expect(got['x-request-id']).toBe(`${server.traceId}-${server.spanId}`);
}

test("haproxytech's controller: snippets and auxiliary file, as it renders them", async () => {
  const { own, port, plain } = await controllers('11-k8s-ingress-controller');
  const settings = dataOf('haproxytech/settings.yaml');
  const files = dataOf('haproxytech/files.yaml');
  const snippet = (key: string): string => {
    const text = here(settings[key] ?? '').replaceAll('/etc/haproxy-otel/', `${own}/`);
    return `  ###_config-snippet_### BEGIN\n${indented(text, 2)}  ###_config-snippet_### END\n`;
  };
  const paths = ['haproxy.cfg', 'haproxy-aux.cfg'].map((file) => join(own, file));
  for (const [file, text] of Object.entries(files)) writeFileSync(join(own, file), here(text));
  edit(join(own, 'haproxy.cfg'), (text) =>
    text
      .replace(
        '  option forwardfor\n',
        '$&  http-request redirect scheme https if { path /plain }\n',
      )
      .replace(/^global\n(?: .*\n)*/m, (section) => section + snippet('global-config-snippet'))
      .replace(
        /^frontend https? from .*\n(?: .*\n)*/gm,
        (section) => section + snippet('frontend-config-snippet'),
      ),
  );
  expect(warningsOf(paths).filter((line) => !ORDER.test(line))).toEqual(plain);
  await running(paths, async () => {
    await strangerIsTraced(port, 'http');
    // What the controller's own rules answer is a span, without what is noted behind them.
    expect(await get(port, '/plain')).toMatchObject({ status: 302 });
    const { attributes } = await until('the redirect', () =>
      receiver.spans.find((span) => span.attributes['http.response.status_code'] === 302),
    );
    expect(attributes).toMatchObject({ 'http.request.method': 'GET' });
    for (const name of ['url.path', 'server.address', 'user_agent.original']) {
      expect(attributes).not.toHaveProperty(name);
    }
  });
});

test('HAProxy Ingress: its configuration keys, as it renders them', async () => {
  const { own, port, plain } = await controllers('12-ingress-community');
  const settings = dataOf('haproxy-ingress/settings.yaml');
  const files = dataOf('haproxy-ingress/files.yaml');
  const key = (name: string): string =>
    here(settings[name] ?? '').replaceAll('/etc/haproxy-otel/', `${own}/`);
  for (const [file, text] of Object.entries(files)) writeFileSync(join(own, file), here(text));
  const path = join(own, 'haproxy.cfg');
  edit(path, (text) =>
    text
      .replace('\ndefaults\n', () => `\n${indented(key('config-global'), 4)}\ndefaults\n`)
      .replace(/^[# ]+\n# # +BACKENDS$/m, (comment) => `${key('config-sections')}\n${comment}`)
      .replace(
        /^frontend _front_https?\n(?: .*\n)*? {4}option httplog\n/gm,
        (section) => section + indented(key('config-frontend-early'), 4),
      ),
  );
  const before = readFileSync(path, 'utf8');
  expect(before.match(/filter spoe/g)).toHaveLength(2);
  expect(before).toContain('\nring otel\n');
  expect(warningsOf([path]).filter((line) => !ORDER.test(line))).toEqual(plain);
  await running([path], () => strangerIsTraced(port, '_front_http'));
});
