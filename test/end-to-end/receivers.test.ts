import { expect, test } from 'vitest';
import { AgentProcess, until } from '../agent-process.ts';
import { afterwards } from '../telemetry/exporting-agent.ts';
import { answer, receiveHttp } from '../telemetry/http-receiver.ts';
import { OTLP_TYPES, spansIn } from '../telemetry/otlp-types.ts';
import { Chain } from './chain.ts';

/** Requests of a few kinds; resolves with their trace ids. */
async function requestAll(chain: Chain): Promise<string[]> {
  const paths = ['/api/one', '/api/two', '/api/three', '/status/404', '/status/503'];
  const responses = await Promise.all(paths.map((path) => chain.get(path)));
  return responses.map(({ traceId }) => traceId).sort();
}

/** Of each trace the SERVER and the CLIENT span, once; other traces are the probes of the chain. */
function expectTraces(requests: readonly Uint8Array[], traces: readonly string[]): void {
  const spans = requests.flatMap((request) => spansIn(request));
  const ours = spans.filter(({ traceId }) => traces.includes(traceId));
  expect(ours.map(({ traceId }) => traceId).sort()).toEqual(
    traces.flatMap((trace) => [trace, trace]).sort(),
  );
  expect(new Set(ours.map(({ spanId }) => spanId)).size).toBe(2 * traces.length);
}

const haveAll = (requests: readonly Uint8Array[], traces: readonly string[]): boolean => {
  const seen = requests.flatMap((request) => spansIn(request)).map(({ traceId }) => traceId);
  return traces.every((trace) => seen.indexOf(trace) !== seen.lastIndexOf(trace));
};

test('hops of HAProxy reach an OTLP/HTTP receiver, which is busy at first', async () => {
  let refusals = 0;
  const accepted: Buffer[] = [];
  const receiver = await receiveHttp((response, _index, { body }) => {
    if (refusals < 2) {
      refusals += 1;
      answer(response, 503, { 'retry-after': '0' });
      return;
    }
    accepted.push(body);
    const { response: Response } = OTLP_TYPES.traces;
    answer(
      response,
      200,
      { 'content-type': 'application/x-protobuf' },
      Response.encode({}).finish(),
    );
  });
  const chain = await Chain.start({
    agentEnv: {
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${receiver.port}`,
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
      HAPROXY_OTEL_ADMIN: '127.0.0.1:0',
    },
  });
  afterwards(() => chain.stop());
  const traces = await requestAll(chain);
  await until('the hops', () => haveAll(accepted, traces));
  expectTraces(accepted, traces);
  expect(receiver.requests[0]?.url).toBe('/v1/traces');
  const verify = AgentProcess.spawn(['verify', `http://127.0.0.1:${chain.ports.http}/api/verify`], {
    HAPROXY_OTEL_ADMIN: String(chain.agent.logged('ready')?.admin),
    HAPROXY_OTEL_SPOP: `127.0.0.1:${chain.ports.spop}`,
    HAPROXY_OTEL_RECORDS: `127.0.0.1:${chain.ports.records}`,
  });
  afterwards(() => verify.end('SIGKILL'));
  await verify.exited();
  expect(verify.output).toMatch(new RegExp(`export.*127\\.0\\.0\\.1:${receiver.port}`));
});

test('and an OTLP/gRPC receiver', async () => {
  const requests: Buffer[] = [];
  const chain = await Chain.start({ receiver: { onRequest: (request) => requests.push(request) } });
  afterwards(() => chain.stop());
  const traces = await requestAll(chain);
  const hops = () => requests.filter((request) => request.includes('haproxy-otel-spoa'));
  await until('the hops', () => haveAll(hops(), traces));
  expectTraces(hops(), traces);
});
