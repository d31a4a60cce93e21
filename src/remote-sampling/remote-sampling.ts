import { isDeepStrictEqual } from 'node:util';
import type { RemoteConfig, RootSampler, Sampler, SamplerConfig } from '../context/sampling.ts';
import type { Logger } from '../log.ts';
import type { RemoteRules, RemoteRulesEvents } from './rules.ts';

/** Configures a sampler, and updates it by the rules of a service where the configuration names one. */
export class RemoteSampling {
  private readonly sampler: Sampler;
  private readonly resource: Readonly<Record<string, string>>;
  private readonly log: Logger;
  private config: SamplerConfig | undefined;
  private rules: RemoteRules | undefined;
  private root: RootSampler | undefined;
  private generation = 0;

  /** @param resource attributes that the service selects rules by */
  constructor(sampler: Sampler, resource: Readonly<Record<string, string>>, log: Logger) {
    this.sampler = sampler;
    this.resource = resource;
    this.log = log;
  }

  /** Until the service has answered, and where there is none, the sampler has the share of `config`. */
  use(config: SamplerConfig): void {
    const same = isDeepStrictEqual(config.remote, this.config?.remote);
    this.config = config;
    if (!same) this.stop();
    this.sampler.use(config, this.root);
    if (same || config.remote === undefined) return;
    const { generation } = this;
    start(config.remote, this.resource, this.eventsOf(config.remote)).then(
      (rules) => {
        if (generation === this.generation) this.rules = rules;
        else rules.stop();
      },
      (error: unknown) => this.log.error({ err: error }, 'no rules for sampling'),
    );
  }

  stop(): void {
    this.generation += 1;
    this.rules?.stop();
    this.rules = undefined;
    this.root = undefined;
  }

  /** One line where the service stops to answer, and one where it answers again. */
  private eventsOf({ kind, endpoint }: RemoteConfig): RemoteRulesEvents {
    const { generation, log } = this;
    let failing = false;
    return {
      onRules: (root, description) => {
        if (generation !== this.generation || this.config === undefined) return;
        this.root = root;
        this.sampler.use(this.config, root);
        if (description !== undefined) log.info({ [kind]: description }, 'rules for sampling');
      },
      onAnswer: () => {
        if (failing)
          log.info({ endpoint }, 'the service with the rules for sampling answers again');
        failing = false;
      },
      onFailure: (reason) => {
        if (!failing) log.warn({ endpoint, reason }, 'no rules for sampling, those before stay');
        failing = true;
      },
    };
  }
}

/** Loads only the client that is configured. */
async function start(
  config: RemoteConfig,
  resource: Readonly<Record<string, string>>,
  events: RemoteRulesEvents,
): Promise<RemoteRules> {
  switch (config.kind) {
    case 'jaeger_remote': {
      const { JaegerRules } = await import('./jaeger.ts');
      return new JaegerRules(config, resource['service.name'] ?? '', events);
    }
    case 'xray': {
      const { XrayRules } = await import('./xray.ts');
      return new XrayRules(config, resource, events);
    }
    default:
      return config satisfies never;
  }
}
