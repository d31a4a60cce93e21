import { withoutUserInfo } from '../endpoint.ts';
import { type Env, notAccepted, type Parser, UsageError, type Warn } from '../settings.ts';
import type { Signal } from '../telemetry/config.ts';
import { defaultOf, SETTINGS, type Setting, type SettingName, type SettingValue } from './table.ts';

/** Reads the settings of one environment, each as its row of the table has it. */
export class SettingsReader {
  readonly env: Env;
  readonly warn: Warn;
  private readonly signal: Signal | undefined;

  /** @param signal whose own `OTEL_EXPORTER_OTLP_TRACES_…` are before the common ones */
  constructor(env: Env, warn: Warn, signal?: Signal) {
    this.env = env;
    this.warn = warn;
    this.signal = signal;
  }

  of(signal: Signal): SettingsReader {
    return new SettingsReader(this.env, this.warn, signal);
  }

  /** The variable that is in force. */
  nameOf(name: SettingName): string {
    const { perSignal }: Setting = SETTINGS[name];
    if (this.signal === undefined || !perSignal) return name;
    const own = name.replace('OTLP_', `OTLP_${this.signal.toUpperCase()}_`);
    return this.env[own]?.trim() ? own : name;
  }

  /** As it is set; an empty value is the same as none, as OpenTelemetry has it. */
  text(name: SettingName): string | undefined {
    return this.env[this.nameOf(name)]?.trim() || undefined;
  }

  /** @throws UsageError for a value of a strict setting that cannot be used; of others it warns */
  read<N extends SettingName>(name: N): SettingValue<N> {
    const { type }: Setting = SETTINGS[name];
    return this.readAs(name, type, defaultOf(name)) as SettingValue<N>;
  }

  /** As `read`, where another setting decides what is accepted or the default. */
  readAs<T, D>(name: SettingName, { accepts, parse }: Parser<T>, fallback: D): T | D {
    return this.parse(name, (text) => {
      if (text === undefined) return fallback;
      const value = parse(text);
      if (value !== undefined) return value;
      throw notAccepted(this.nameOf(name), redactedText(SETTINGS[name], text), accepts);
    });
  }

  /** Runs `parse`, and where it refuses the text of a setting that is not strict, once more as if that were not set. */
  parse<T>(name: SettingName, parse: (text: string | undefined) => T): T {
    const { strict }: Setting = SETTINGS[name];
    try {
      return parse(this.text(name));
    } catch (error) {
      if (!(error instanceof UsageError) || strict || name.startsWith('HAPROXY_')) throw error;
      this.warn(this.nameOf(name), `${error.message}, the default is used`);
      return parse(undefined);
    }
  }
}

/** As it may be logged. */
function redactedText({ secret }: Setting, text: string): string {
  switch (secret) {
    case 'value':
      return '***';
    case 'user':
      return withoutUserInfo(text);
    case 'content':
    case undefined:
      return text;
    default:
      return secret satisfies never;
  }
}
