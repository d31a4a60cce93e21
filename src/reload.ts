import type { Config } from './config/config.ts';
import { summarize } from './config/summary.ts';
import { settingOf } from './config/table.ts';
import { errorText } from './error-text.ts';
import type { Logger } from './log.ts';
import type { Env } from './settings.ts';
import { monotonicMicroseconds, type Notifier } from './systemd/notifier.ts';
import { SIGNAL_NAMES } from './telemetry/config.ts';

/** Variables that choose a proxy, which are not the agent's own. */
const PROXY = /^((no_)?grpc_proxy|https?_proxy|HTTPS?_PROXY|no_proxy|NO_PROXY)$/;

/** Names of settings that changed. */
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
  const isReloadable = (name: string): boolean => {
    const reload = PROXY.test(name) ? 'same exporter' : settingOf(name)?.reload;
    return reload === 'yes' || (reload === 'same exporter' && sameKinds);
  };
  return {
    reloadable: changed.filter(isReloadable),
    needRestart: changed.filter((name) => !isReloadable(name)),
  };
}

/** Settings of files whose content changed and which a running agent cannot reload. */
function changedFiles(config: Config, next: Config): string[] {
  const [admin, after] = [config.telemetry.admin, next.telemetry.admin];
  const same = admin === undefined || after === undefined || admin.token === after.token;
  return same ? [] : ['HAPROXY_OTEL_ADMIN_TOKEN_FILE'];
}

function haveSameKinds(config: Config, next: Config): boolean {
  const [before, after] = [config.telemetry.exporters, next.telemetry.exporters];
  return SIGNAL_NAMES.every((signal) => before[signal].kind === after[signal].kind);
}

/** What of `next` a running agent adopts in place of `config`'s; the rest stays. */
export function adopt(config: Config, next: Config): Config {
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
  /** Reads the settings anew. @throws UsageError */
  readonly gather: () => Env;
  /** @throws UsageError */
  readonly load: (env: Env) => Config;
  readonly log: Logger;
  readonly notifier: Notifier | undefined;
};

/** Applies what it can of a configuration, or throws and changes nothing. */
type Apply = (config: Config) => Promise<void>;

type State =
  | { readonly kind: 'starting'; readonly isRequested: boolean }
  | { readonly kind: 'idle'; readonly apply: Apply }
  | { readonly kind: 'reloading'; readonly apply: Apply; readonly isRequestedAgain: boolean };

/** Reads the settings again on request, one time after the other, and has them applied or all stay as it was. */
export class Reloader {
  private readonly options: ReloaderOptions;
  private state: State = { kind: 'starting', isRequested: false };
  private inForce: { readonly env: Env; readonly config: Config };

  /** @param env the settings that `config` came from */
  constructor(env: Env, config: Config, options: ReloaderOptions) {
    this.inForce = { env, config };
    this.options = options;
  }

  started(apply: Apply): void {
    const { state } = this;
    this.state = { kind: 'idle', apply };
    if (state.kind === 'starting' && state.isRequested) this.request();
  }

  request(): void {
    const { state } = this;
    switch (state.kind) {
      case 'starting':
        this.state = { ...state, isRequested: true };
        return;
      case 'idle':
        void this.run(state.apply);
        return;
      case 'reloading':
        this.state = { ...state, isRequestedAgain: true };
        return;
      default:
        state satisfies never;
    }
  }

  private async run(apply: Apply): Promise<void> {
    do {
      this.state = { kind: 'reloading', apply, isRequestedAgain: false };
      await this.reload(apply);
    } while (this.state.isRequestedAgain);
    this.state = { kind: 'idle', apply };
  }

  private async reload(apply: Apply): Promise<void> {
    const { gather, load, log, notifier } = this.options;
    const before = this.inForce;
    notifier?.send('RELOADING=1', `MONOTONIC_USEC=${monotonicMicroseconds()}`);
    try {
      const env = gather();
      const next = load(env);
      const config = adopt(before.config, next);
      await apply(config);
      const sameKinds = haveSameKinds(before.config, next);
      const { reloadable, needRestart } = changesBetween(before.env, env, sameKinds);
      const kept = Object.fromEntries(needRestart.map((name) => [name, before.env[name]]));
      this.inForce = { env: { ...env, ...kept }, config };
      log.info({ changed: reloadable, config: summarize(config) }, 'reloaded');
      const settings = [...new Set([...needRestart, ...changedFiles(before.config, next)])].sort();
      if (settings.length > 0) {
        log.warn({ settings }, 'changed settings that are in force after a restart');
      }
    } catch (error) {
      const reason = errorText(error);
      log.error({ reason }, 'reload failed, the configuration before stays in force');
    }
    notifier?.send('READY=1');
  }
}
