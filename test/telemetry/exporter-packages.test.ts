import { createServer } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import {
  ChannelCredentials,
  type ChannelOptions,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { type ExportResult, ExportResultCode } from '@opentelemetry/core';
import {
  convertLegacyOtlpGrpcOptions,
  createOtlpGrpcExportDelegate,
} from '@opentelemetry/otlp-grpc-exporter-base';
import { expect, test, vi } from 'vitest';
import { type OtlpHandler, OtlpServer } from '../../src/demo/otlp-receiver.ts';
import { until } from '../agent-process.ts';
import { afterwards } from './exporting-agent.ts';

// What OpenTelemetry's packages for OTLP/gRPC carry of what this exporter has to do: docs/design.md goes by it.

/** Insecure ones that show what a channel asks of them. */
class SpyCredentials extends ChannelCredentials {
  readonly options: ChannelOptions[] = [];
  connections = 0;
  private readonly inner = ChannelCredentials.createInsecure();

  override _isSecure(): boolean {
    return false;
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(
    ...args: Parameters<ChannelCredentials['_createSecureConnector']>
  ): ReturnType<ChannelCredentials['_createSecureConnector']> {
    this.options.push(args[1]);
    const connector = this.inner._createSecureConnector(...args);
    return {
      connect: (socket: Socket) => {
        this.connections += 1;
        return connector.connect(socket);
      },
      waitForReady: () => connector.waitForReady(),
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => connector.destroy(),
    };
  }
}

async function exportTo(handler: OtlpHandler, timeoutMillis = 30_000) {
  const server = await OtlpServer.start({ traces: handler });
  afterwards(() => server.stop());
  return exporterFor(server.port, timeoutMillis);
}

function exporterFor(port: number, timeoutMillis: number) {
  const credentials = new SpyCredentials();
  const responses: Uint8Array[] = [];
  const delegate = createOtlpGrpcExportDelegate<Uint8Array, undefined>(
    {
      url: `127.0.0.1:${port}`,
      credentials: () => credentials,
      metadata: () => new Metadata(),
      compression: 'none',
      timeoutMillis,
      concurrencyLimit: 2,
      userAgent: 'own/1',
    },
    {
      serializeRequest: (bytes) => bytes,
      deserializeResponse: (bytes) => {
        responses.push(bytes);
        return undefined;
      },
    },
    'otlp_grpc_span_exporter',
    { countItems: () => 1 } as never,
    undefined,
    'TraceExportService',
    '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
  );
  afterwards(() => delegate.shutdown());
  const send = (bytes: Uint8Array): Promise<ExportResult> =>
    new Promise((resolve) => delegate.export(bytes, resolve));
  return { send, credentials, responses };
}

test('bytes that are encoded once are carried, as a copy of them', async () => {
  const received: Buffer[] = [];
  const { send } = await exportTo((request) => void received.push(request));
  const bytes = Buffer.from('encoded once');
  const sent = send(bytes);
  bytes.fill(0);
  expect((await sent).code).toBe(ExportResultCode.SUCCESS);
  expect(String(received[0])).toBe('encoded once');
});

test('status and trailers of a failure are carried, a response only to who parses it', async () => {
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from('details'));
  let answer: Awaited<ReturnType<OtlpHandler>> = { code: status.RESOURCE_EXHAUSTED, metadata };
  const { send, responses } = await exportTo(() => answer);
  const error = (await send(Buffer.from('a'))).error as ServiceError;
  expect(error.code).toBe(status.RESOURCE_EXHAUSTED);
  expect(error.metadata.get('grpc-status-details-bin').map(String)).toEqual(['details']);
  answer = Buffer.from('partial');
  expect(await send(Buffer.from('b'))).toEqual({ code: ExportResultCode.SUCCESS });
  expect(responses.map(String)).toEqual(['partial']);
});

test('the headers of a response are not carried: a web page is a message that is too large', async () => {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end('<html><body>It works!</body></html>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterwards(() => server.close());
  const { send } = exporterFor((server.address() as AddressInfo).port, 30_000);
  const error = (await send(Buffer.from('a'))).error as ServiceError;
  expect(error.code).toBe(status.RESOURCE_EXHAUSTED);
  expect(error.metadata.getMap()).toEqual({});
});

test('a channel has no other options than compression and user agent', async () => {
  const { send, credentials } = await exportTo(() => undefined);
  await send(Buffer.from('a'));
  const [options = {}] = credentials.options;
  expect(Object.keys(options).sort()).toEqual([
    'grpc.default_compression_algorithm',
    'grpc.primary_user_agent',
  ]);
});

test('a channel is replaced after six calls in a row without an answer, and by nothing else', async () => {
  let answers = true;
  const { send, credentials } = await exportTo(
    () => (answers ? undefined : new Promise<undefined>(() => {})),
    100,
  );
  await until('an answer in time', async () => (await send(Buffer.from('a'))).error === undefined);
  answers = false;
  const { connections } = credentials;
  for (let i = 0; i < 6; i += 1) {
    const { error } = await send(Buffer.from('a'));
    expect((error as ServiceError).code).toBe(status.DEADLINE_EXCEEDED);
    expect(credentials.connections).toBe(connections);
  }
  await send(Buffer.from('a'));
  await until('the other channel', () => credentials.connections === connections + 1);
});

test('what is beyond the limit of calls fails at once', async () => {
  const { send } = await exportTo(() => new Promise<undefined>(() => {}), 200);
  const waiting = [send(Buffer.from('a')), send(Buffer.from('b'))];
  expect((await send(Buffer.from('c'))).error?.message).toBe('Concurrent export limit reached');
  await Promise.all(waiting);
});

test('settings come out of the environment of the process, and wrong ones are no errors', () => {
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', 'https://receiver.example:4317');
  vi.stubEnv('OTEL_EXPORTER_OTLP_TIMEOUT', 'soon');
  vi.stubEnv('OTEL_EXPORTER_OTLP_CERTIFICATE', '/no/such/file.pem');
  afterwards(() => vi.unstubAllEnvs());
  const options = convertLegacyOtlpGrpcOptions({}, 'TRACES');
  expect(options).toMatchObject({ url: 'receiver.example:4317', timeoutMillis: 10_000 });
  expect(options.credentials()._isSecure()).toBe(true);
});
