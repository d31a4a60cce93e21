import type { Env } from '../settings.ts';
import { branchOf, type HaproxyVersion } from './version.ts';

/** Section 2.3: what HAProxy sets itself, as far as conditions can depend on it. */
const OWN = {
  HAPROXY_HTTP_LOG_FMT:
    '%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r',
  HAPROXY_TCP_LOG_FMT: '%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq',
} as const;

/** The variables that a configuration sees and changes, line by line. */
export class Environment {
  private readonly values: Map<string, string>;

  /** @param env of the process that HAProxy runs in; not changed */
  constructor(env: Env, version: HaproxyVersion | undefined) {
    this.values = new Map();
    for (const [name, value] of Object.entries(env)) {
      if (value !== undefined) this.values.set(name, value);
    }
    if (version === undefined) return;
    this.values.set('HAPROXY_BRANCH', branchOf(version));
    if (version.major > 2 || version.minor >= 8) {
      for (const [name, value] of Object.entries(OWN)) this.values.set(name, value);
    }
  }

  get(name: string): string | undefined {
    return this.values.get(name);
  }

  /** Applies a statement that changes variables. @returns false for any other */
  apply([keyword, name, value, ...more]: readonly string[]): boolean {
    switch (keyword) {
      case 'setenv':
        if (name !== undefined && value) this.values.set(name, value);
        return true;
      case 'presetenv':
        if (name !== undefined && value && !this.values.has(name)) this.values.set(name, value);
        return true;
      case 'unsetenv':
        for (const each of [name, value, ...more]) this.values.delete(each ?? '');
        return true;
      case 'resetenv': {
        const retained = new Set([name, value, ...more]);
        for (const each of [...this.values.keys()])
          if (!retained.has(each)) this.values.delete(each);
        return true;
      }
      default:
        return false;
    }
  }
}
