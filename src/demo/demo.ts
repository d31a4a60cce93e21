import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type ClientRequest, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Haproxy } from './haproxy.ts';
import { decodeSpans, OtlpServer, type ReceivedSpan } from './otlp-receiver.ts';
import { type Ports, portsForDemo, SHIPPED_PORTS } from './ports.ts';
import { DemoServer } from './server.ts';
import { formatTrace } from './tree.ts';

type Scenario = {
  readonly title: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Leave this many milliseconds after the server got the request. */
  readonly abortAfter?: number;
  /** Spans its trace has when it is whole: HAProxy's one or two, and the server's. */
  readonly spans: number;
};

const SCENARIOS: readonly Scenario[] = [
  {
    title: 'a caller with a trace of its own',
    path: '/api/orders?delay=30',
    headers: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
    spans: 3,
  },
  { title: '404 from the server', path: '/missing', spans: 3 },
  { title: '503, no server in the backend', path: '/nowhere', spans: 1 },
  { title: '504, the server takes longer than it may', path: '/slow', spans: 3 },
  { title: 'the client leaves', path: '/?delay=2000', abortAfter: 150, spans: 3 },
  { title: 'refused by one server, retried on another', path: '/refused', spans: 3 },
];

/** Where the request id of a demo request is found on its SERVER span. */
const REQUEST_ID = 'http.request.header.x-request-id';

/** The timeout for all traces of the demo, in milliseconds. */
const TRACES_TIMEOUT = 30_000;

/** A trace that got no span for this long is printed, in milliseconds. */
const QUIET = 800;

/** The timeout after which a part that does not stop is killed, in milliseconds. */
const STOP_TIMEOUT = 10_000;

/**
 * Starts a receiver, a server, the agent and HAProxy on the shipped configuration, sends a handful of
 * requests and prints their traces; then stays for the user's own, unless `once`. A signal ends it in order, and so
 * does a reader of its output that goes away.
 *
 * @throws when a part does not start or a trace does not arrive whole
 */
export async function demo(options: { readonly once: boolean }): Promise<void> {
  const ports = await portsForDemo();
  const traces = new Map<string, ReceivedSpan[]>();
  const running: (() => void | Promise<void>)[] = [];
  const interruption = watchInterruption();
  const interrupted = once(interruption, 'abort');
  try {
    const receiver = await OtlpServer.start({
      traces: (request) => void sort(decodeSpans(request), traces),
    });
    running.push(() => receiver.stop());
    const server = await DemoServer.start(ports.server, receiver.endpoint);
    running.push(() => server.stop());
    const agent = await startAgent(ports, receiver.endpoint);
    running.push(() => agent.stop());
    const haproxy = await Haproxy.start({ ports });
    running.push(() => haproxy.stop());
    killAtExit(haproxy.process);
    print(`HAProxy http://127.0.0.1:${ports.http}, HTTP/2 on ${ports.h2}; agent on ${ports.spop};`);
    print(`server on ${ports.server}; OTLP receiver on ${receiver.port}`);
    print(`live hops, health and metrics: http://127.0.0.1:${ports.admin}/`);
    print(`${differingPorts(ports)}\n`);
    const shown = showScenarios(ports, server, traces, interruption).then(() =>
      options.once ? undefined : showTraces(ports, traces, interrupted),
    );
    await Promise.race([shown, interrupted]);
  } finally {
    setTimeout(() => process.exit(1), STOP_TIMEOUT).unref();
    for (const stop of running.reverse()) await stop();
  }
}

/**
 * Aborted at the first signal, or when what is printed cannot be written any more. Further signals change nothing: a
 * terminal that is closed sends SIGHUP twice, and npm passes on what its children got too.
 */
function watchInterruption(): AbortSignal {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, abort);
  for (const stream of [process.stdout, process.stderr]) stream.on('error', abort);
  return controller.signal;
}

/** Kills the part with the demo, if that ends without stopping its parts. */
function killAtExit(child: ChildProcess): void {
  process.once('exit', () => child.kill('SIGKILL'));
}

/** The shipped ports that are in use. */
function differingPorts(ports: Ports): string {
  const other = Object.entries(SHIPPED_PORTS)
    .map(([name, shipped]) => [shipped, ports[name as keyof Ports]] as const)
    .filter(([shipped, used]) => shipped !== used)
    .map(([shipped, used]) => `${used} for ${shipped}`);
  return other.length === 0
    ? ''
    : `Ports that are in use already are replaced: ${other.join(', ')}\n`;
}

async function showScenarios(
  ports: Ports,
  server: DemoServer,
  traces: Map<string, ReceivedSpan[]>,
  interruption: AbortSignal,
): Promise<void> {
  for (const [index, scenario] of SCENARIOS.entries()) {
    await send(ports.http, `demo-${index}`, scenario, server);
  }
  for (const [index, scenario] of SCENARIOS.entries()) {
    const spans = await wholeTrace(traces, `demo-${index}`, scenario.spans, interruption);
    print(formatTrace(`${scenario.title}: GET ${scenario.path}`, spans));
    traces.delete(spans[0]?.traceId ?? '');
  }
}

function sort(spans: readonly ReceivedSpan[], traces: Map<string, ReceivedSpan[]>): void {
  for (const span of spans) {
    const trace = traces.get(span.traceId);
    if (trace === undefined) traces.set(span.traceId, [span]);
    else trace.push(span);
  }
}

/** The agent as its users run it: a process of its own. */
async function startAgent(ports: Ports, endpoint: string): Promise<{ stop: () => Promise<void> }> {
  const main = fileURLToPath(new URL('../main.js', import.meta.url));
  const agent = spawn(process.execPath, [main, 'run'], {
    stdio: ['ignore', 'inherit', 'pipe'],
    // Ctrl-C is for the demo, which then stops its parts in order.
    detached: true,
    env: {
      ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/OTEL_/.test(name))),
      HAPROXY_OTEL_SPOP: `127.0.0.1:${ports.spop}`,
      HAPROXY_OTEL_RECORDS: `127.0.0.1:${ports.records}`,
      HAPROXY_OTEL_ADMIN: `127.0.0.1:${ports.admin}`,
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_BSP_SCHEDULE_DELAY: '200',
      HAPROXY_OTEL_STOP_TIMEOUT: '2000',
    },
  });
  killAtExit(agent);
  let errors = '';
  await new Promise<void>((resolve, reject) => {
    agent.once('error', reject);
    agent.once('exit', (code) => reject(new Error(`the agent ended with ${code}: ${errors}`)));
    agent.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
      if (text.includes('"ready"')) resolve();
    });
  });
  return {
    stop: async () => {
      if (agent.exitCode !== null || agent.signalCode !== null) return;
      const exited = once(agent, 'exit');
      agent.kill('SIGTERM');
      await exited;
    },
  };
}

function send(
  port: number,
  requestId: string,
  scenario: Scenario,
  server: DemoServer,
): Promise<void> {
  const before = server.requests;
  return new Promise((resolve) => {
    const outgoing = request(
      {
        host: '127.0.0.1',
        port,
        path: scenario.path,
        agent: false,
        headers: { ...scenario.headers, 'x-request-id': requestId },
      },
      (response) => {
        response.resume();
        response.once('close', () => resolve());
      },
    );
    outgoing.once('error', () => resolve());
    outgoing.end();
    if (scenario.abortAfter !== undefined) {
      void leave(outgoing, () => server.requests > before, scenario.abortAfter);
    }
  });
}

/** Before the server has the request, its trace would be without the server's span. */
async function leave(
  outgoing: ClientRequest,
  hasArrived: () => boolean,
  delay: number,
): Promise<void> {
  while (!hasArrived() && !outgoing.closed) await pause(20);
  await pause(delay);
  outgoing.destroy();
}

async function wholeTrace(
  traces: ReadonlyMap<string, ReceivedSpan[]>,
  requestId: string,
  count: number,
  interruption: AbortSignal,
): Promise<ReceivedSpan[]> {
  const deadline = performance.now() + TRACES_TIMEOUT;
  for (;;) {
    interruption.throwIfAborted();
    for (const spans of traces.values()) {
      const found = spans.some(({ attributes }) => String(attributes[REQUEST_ID]) === requestId);
      if (found && spans.length >= count) return spans;
    }
    if (performance.now() > deadline) throw new Error(`the trace of ${requestId} did not arrive`);
    await pause(20);
  }
}

async function showTraces(
  ports: Ports,
  traces: Map<string, ReceivedSpan[]>,
  interrupted: Promise<unknown>,
): Promise<void> {
  print(`Send your own: curl -i http://127.0.0.1:${ports.http}/api/you   (Ctrl-C ends the demo)\n`);
  const lengths = new Map<string, number>();
  const timer = setInterval(() => {
    for (const [traceId, spans] of traces) {
      if (lengths.get(traceId) !== spans.length) {
        lengths.set(traceId, spans.length);
        continue;
      }
      const path = spans.find(({ attributes }) => attributes['url.path'])?.attributes['url.path'];
      print(formatTrace(String(path ?? ''), spans));
      traces.delete(traceId);
      lengths.delete(traceId);
    }
  }, QUIET);
  await interrupted;
  clearInterval(timer);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
