import { idsOf, type RemoteContext } from './remote-context.ts';

const ROOT = /^1-([0-9a-f]{8})-([0-9a-f]{24})$/i;
const PARENT = /^[0-9a-f]{16}$/i;
/** Characters: the engine sends one more of a header that is longer. */
const MAX_LENGTH = 512;

/**
 * @param text `x-amzn-trace-id`: `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`,
 *   in any order; other parts are ignored
 * @returns undefined where it is longer than what the engine sends of it, and without a Parent too: what a load balancer of AWS sends of its own
 */
export function parseXray(text: string): RemoteContext | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const parts = new Map<string, string>();
  for (const part of text.split(';')) {
    const [name = '', value] = part.split('=', 2);
    if (value !== undefined) parts.set(name.trim().toLowerCase(), value.trim());
  }
  const [, seconds = '', unique = ''] = ROOT.exec(parts.get('root') ?? '') ?? [];
  const parent = parts.get('parent') ?? '';
  const ids = PARENT.test(parent) ? idsOf(seconds + unique, parent) : undefined;
  if (ids === undefined) return undefined;
  const state = parts.get('sampled');
  return { ids, sampled: state === '1' ? true : state === '0' ? false : undefined, debug: false };
}
