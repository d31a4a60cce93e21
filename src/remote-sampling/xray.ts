import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { ROOT_CONTEXT, SpanKind } from '@opentelemetry/api';
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

/** Timeout of a request, in milliseconds. */
const TIMEOUT = 5_000;

/** Seconds between two polls of the rules, AWS's default; targets are polled every ten seconds. */
const POLLING_INTERVAL = 300;

/**
 * The rules of AWS X-Ray, served by the X-Ray daemon or the Collector's awsproxy. OpenTelemetry's own sampler polls
 * them, counts and decides; without rules it samples one trace a second and 5 % of the rest.
 */
export class XrayRules implements RemoteRules {
  private readonly sampler: AWSXRayRemoteSampler;
  private readonly url: URL;
  private readonly onFailure: RemoteRulesEvents['onFailure'];

  constructor(
    { endpoint }: XrayConfig,
    resource: Readonly<Record<string, string>>,
    { onRules, onFailure }: RemoteRulesEvents,
  ) {
    this.url = new URL(endpoint);
    this.onFailure = onFailure;
    subscribe(REQUEST_START, this.onRequest);
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
    unsubscribe(REQUEST_START, this.onRequest);
  }

  /**
   * The sampler waits for an answer for ever, and asks again meanwhile; what fails it logs for the whole process.
   * Requests of others in this thread, as those of an exporter, are left alone.
   */
  private readonly onRequest = (message: unknown): void => {
    const { request } = message as { request: ClientRequest };
    const { host, pathname } = this.url;
    const base = pathname.replace(/\/$/, '');
    const isRules = request.path === `${base}${RULES_PATH}`;
    const isOwn = isRules || request.path === `${base}${TARGETS_PATH}`;
    if (!isOwn || request.getHeader('host') !== host) return;
    request.setTimeout(TIMEOUT, () => {
      request.destroy(new Error(`no answer in ${TIMEOUT} ms`));
    });
    if (!isRules) return;
    request.prependListener('error', (error) => this.onFailure(`${this.url}: ${error.message}`));
    request.prependListener('response', (response: IncomingMessage) => this.check(response));
  };

  /** Rules that cannot be read are none, whatever the status is. */
  private check(response: IncomingMessage): void {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer | string) => chunks.push(Buffer.from(chunk)));
    response.on('end', () => {
      if (response.statusCode !== 200 || chunks.length === 0) return;
      if (!hasRules(Buffer.concat(chunks).toString())) {
        this.onFailure(`${this.url} answers with what are no rules`);
      }
    });
  }
}

const REQUEST_START = 'http.client.request.start';

/** As the sampler asks, below the endpoint. */
const RULES_PATH = '/GetSamplingRules';
const TARGETS_PATH = '/SamplingTargets';

function hasRules(text: string): boolean {
  try {
    const { SamplingRuleRecords: rules } = JSON.parse(text) ?? {};
    return Boolean(rules);
  } catch {
    return false;
  }
}
