import { readFileSync } from 'node:fs';
import { SHIPPED_ENGINE } from '../haproxy/shipped.ts';

const FIRST_LINE = '# Written by "haproxy-otel-spoa add", which replaces it; "remove" deletes it.';

/** The SPOE engine, as it lies beside the user's configuration: HAProxy starts with it also without this package. */
export function engineText(): string {
  return `${FIRST_LINE}\n${readFileSync(SHIPPED_ENGINE, 'utf8')}`;
}

export function isOurs(text: string): boolean {
  return text.startsWith(FIRST_LINE);
}
