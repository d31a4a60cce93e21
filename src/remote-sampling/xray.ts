import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import { DiagLogLevel, diag, ROOT_CONTEXT, SpanKind } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AWSXRayRemoteSampler } from '@opentelemetry/sampler-aws-xray';
import { SamplingDecision } from '@opentelemetry/sdk-trace-base';
import {
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_SERVER_ADDRESS,
  ATTR_URL_PATH,
} from '@opentelemetry/semantic-conventions';
import type { XrayConfig } from '../context/sampling.ts';
import { TRACE_ID_DIGITS } from '../context/traceparent.ts';
import type { RemoteRules, RemoteRulesEvents } from './rules.ts';

/** Milliseconds that an answer may take. */
const TIMEOUT = 5_000;

/** Seconds between two looks at the rules, as AWS has it; targets are asked for every ten seconds. */
const POLLING_INTERVAL = 300;

/**
 * The rules of AWS X-Ray, which the X-Ray daemon or the Collector's awsproxy hands out. OpenTelemetry's own sampler
 * asks for them, counts and decides; without rules it keeps one trace a second and 5 % of the rest.
 */
export class XrayRules implements RemoteRules {
  private readonly sampler: AWSXRayRemoteSampler;

  constructor(
    { endpoint }: XrayConfig,
    resource: Readonly<Record<string, string>>,
    { onRules, onFailure }: RemoteRulesEvents,
  ) {
    const told = (...parts: unknown[]): void => onFailure(parts.join(': '));
    const untold = (): void => {};
    diag.setLogger(
      { error: told, warn: told, info: untold, debug: untold, verbose: untold },
      { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
    );
    subscribe(REQUEST_START, limitTime);
    this.sampler = new AWSXRayRemoteSampler({
      resource: resourceFromAttributes(resource),
      endpoint: endpoint.replace(/\/$/, ''),
      pollingInterval: POLLING_INTERVAL,
    });
    onRules((bytes, traceId, { method, host, path }) => {
      const id = Buffer.from(bytes.buffer, bytes.byteOffset + traceId, TRACE_ID_DIGITS);
      const attributes = {
        [ATTR_HTTP_REQUEST_METHOD]: method,
        [ATTR_SERVER_ADDRESS]: host.replace(/:\d*$/, ''),
        [ATTR_URL_PATH]: path,
      };
      const { decision } = this.sampler.shouldSample(
        ROOT_CONTEXT,
        id.toString('latin1'),
        method,
        SpanKind.SERVER,
        attributes,
        [],
      );
      return decision === SamplingDecision.RECORD_AND_SAMPLED;
    });
  }

  stop(): void {
    this.sampler.stopPollers();
    unsubscribe(REQUEST_START, limitTime);
  }
}

const REQUEST_START = 'http.client.request.start';

/** The sampler itself waits for an answer for ever, and asks again meanwhile; nobody else asks over HTTP in its thread. */
function limitTime(message: unknown): void {
  const { request } = message as { request: ClientRequest };
  request.setTimeout(TIMEOUT, () => {
    request.destroy(new Error(`no answer in ${TIMEOUT} ms`));
  });
}
