import type { Config } from './config/config.ts';
import { summarize } from './config/summary.ts';
import { errorText } from './error-text.ts';
import type { Logger } from './log.ts';
import type { Env } from './settings.ts';
import { monotonicMicroseconds, type Notifier } from './systemd/notifier.ts';
import { SIGNAL_NAMES } from './telemetry/config.ts';

/** Settings that a running agent can change without closing a connection. */
const RELOADABLE =
  /^(OTEL_(CONFIG_FILE|LOG_LEVEL|TRACES_SAMPLER(_ARG)?|METRIC_EXPORT_INTERVAL|METRICS_EXEMPLAR_FILTER)|HAPROXY_OTEL_MAX_TRACES_PER_SECOND)$/;

/** The proxy is chosen by variables of everybody. */
const PROXY = /^((no_)?grpc_proxy|https?_proxy|HTTPS?_PROXY|no_proxy|NO_PROXY)$/;

/** The same of the exporters' own, as long as each stays of its kind. */
const OF_EXPORTER =
  /^(OTEL_EXPORTER_OTLP_(?!METRICS_(TEMPORALITY|DEFAULT_HISTOGRAM)).*|OTEL_(BSP|BLRP|METRIC)_EXPORT_TIMEOUT|HAPROXY_OTEL_OTLP_HEADERS_FILE)$/;

/** Names of settings whose values differ. */
export type Changes = {
  readonly reloadable: readonly string[];
  /** In force only after a restart. */
  readonly needRestart: readonly string[];
};

/** @param sameKinds whether each exporter is of the kind that it was */
export function changesBetween(before: Env, after: Env, sameKinds: boolean): Changes {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  const changed = names.filter((name) => {
    const ours = /^(HAPROXY_)?OTEL_/.test(name) || PROXY.test(name);
    return ours && (before[name]?.trim() ?? '') !== (after[name]?.trim() ?? '');
  });
  const isReloadable = (name: string): boolean =>
    RELOADABLE.test(name) || (sameKinds && (OF_EXPORTER.test(name) || PROXY.test(name)));
  return {
    reloadable: changed.filter(isReloadable),
    needRestart: changed.filter((name) => !isReloadable(name)),
  };
}

/** Settings whose file has another content than a running agent goes by, and cannot change. */
function changedFiles(config: Config, next: Config): string[] {
  const [admin, after] = [config.telemetry.admin, next.telemetry.admin];
  const same = admin === undefined || after === undefined || admin.token === after.token;
  return same ? [] : ['HAPROXY_OTEL_ADMIN_TOKEN_FILE'];
}

function haveSameKinds(config: Config, next: Config): boolean {
  const [before, after] = [config.telemetry.exporters, next.telemetry.exporters];
  return SIGNAL_NAMES.every((signal) => before[signal].kind === after[signal].kind);
}

/** What of `next` a running agent takes over from `config`'s place; the rest stays. */
function adopt(config: Config, next: Config): Config {
  const { logLevel, sampler } = next;
  const { exporters } = (haveSameKinds(config, next) ? next : config).telemetry;
  const { interval, exemplarFilter } = next.telemetry.metrics;
  const metrics = { ...config.telemetry.metrics, interval, exemplarFilter };
  return {
    ...config,
    logLevel,
    sampler,
    telemetry: { ...config.telemetry, logLevel, sampler, exporters, metrics },
  };
}

export type ReloaderOptions = {
  /** Settings as they are now. @throws ConfigError */
  readonly gather: () => Env;
  /** @throws ConfigError */
  readonly load: (env: Env) => Config;
  readonly log: Logger;
  readonly notifier: Notifier | undefined;
};

/** Reads the settings again when asked to, one time after the other, and has them applied or all stay as it was. */
export class Reloader {
  private readonly options: ReloaderOptions;
  private state: 'starting' | 'idle' | 'reloading' = 'starting';
  private asked = false;
  private env: Env;
  private config: Config;
  private apply: (config: Config) => Promise<void> = async () => {};

  /** @param env the settings that `config` came from */
  constructor(env: Env, config: Config, options: ReloaderOptions) {
    this.env = env;
    this.config = config;
    this.options = options;
  }

  /** @param apply takes over what it can, or throws and changes nothing */
  started(apply: (config: Config) => Promise<void>): void {
    this.apply = apply;
    this.state = 'idle';
    if (this.asked) void this.run();
  }

  request(): void {
    this.asked = true;
    if (this.state === 'idle') void this.run();
  }

  private async run(): Promise<void> {
    this.state = 'reloading';
    while (this.asked) {
      this.asked = false;
      await this.once();
    }
    this.state = 'idle';
  }

  private async once(): Promise<void> {
    const { gather, load, log, notifier } = this.options;
    notifier?.send('RELOADING=1', `MONOTONIC_USEC=${monotonicMicroseconds()}`);
    try {
      const env = gather();
      const next = load(env);
      const config = adopt(this.config, next);
      await this.apply(config);
      const { reloadable, needRestart } = changesBetween(
        this.env,
        env,
        haveSameKinds(this.config, next),
      );
      const named = [...new Set([...needRestart, ...changedFiles(this.config, next)])].sort();
      this.config = config;
      this.env = {
        ...env,
        ...Object.fromEntries(needRestart.map((name) => [name, this.env[name]])),
      };
      log.info({ changed: reloadable, config: summarize(config) }, 'reloaded');
      if (named.length > 0) {
        log.warn({ settings: named }, 'changed settings that are in force after a restart');
      }
    } catch (error) {
      const reason = errorText(error);
      log.error({ reason }, 'reload failed, the configuration before stays in force');
    }
    notifier?.send('READY=1');
  }
}
