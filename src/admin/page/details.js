// @ts-check
import { bytes, element } from './text.js';
import { waterfall } from './waterfall.js';

/** @import { PageHop } from '../page-hop.ts' */
/** @import { Actions } from './hops.js' */

/**
 * All that is known of a hop: each phase where it lies in the whole, then everything else.
 *
 * @param {PageHop} hop
 * @param {Actions} actions
 */
export function details(hop, actions) {
  const link = actions.traceLink(hop);
  /** @type {(readonly [name: string, value: string | Node | undefined])[]} */
  const known = [
    ['Trace id', element('code', {}, hop.traceId)],
    ['Spans', element('code', {}, [hop.spanId, hop.clientSpanId].filter(Boolean).join(' → '))],
    [
      'Parent',
      hop.parentId === undefined
        ? 'none, the trace starts here'
        : element('code', {}, hop.parentId),
    ],
    ['Frontend', hop.frontend],
    ['Backend', hop.backend],
    ['Server', hop.server === undefined ? undefined : `${hop.server} ${hop.serverAddress ?? ''}`],
    ['Outcome', outcomeOf(hop)],
    ['Termination', hop.terminationState],
    [
      'Retries',
      hop.retries === 0
        ? undefined
        : `${hop.retries}${hop.redispatched ? ', the last one to another server' : ''}`,
    ],
    ['Host', hop.host],
    ['Route', hop.route],
    ['Client', hop.client],
    ['User agent', hop.userAgent],
    ['Request id', hop.requestId],
    [
      'Protocol',
      hop.protocolVersion === undefined
        ? undefined
        : `${hop.tls ? 'https' : 'http'}, HTTP/${hop.protocolVersion}`,
    ],
    [
      'Bytes',
      hop.requestSize === undefined && hop.responseSize === undefined
        ? undefined
        : `${bytes(hop.requestSize)} in, ${bytes(hop.responseSize)} out`,
    ],
    ['Agent', hop.mintedByHaproxy ? 'was away: HAProxy minted this hop itself' : undefined],
  ];
  const copy = element('button', { type: 'button' }, 'Copy trace id');
  copy.addEventListener('click', () => actions.copy(hop));
  const filter = element('button', { type: 'button' }, 'Only this server');
  filter.addEventListener('click', () => actions.pick(hop.backend, hop.server));
  return element(
    'div',
    { className: 'details' },
    waterfall(hop),
    element(
      'dl',
      {},
      ...known.flatMap(([name, value]) =>
        value === undefined || value === ''
          ? []
          : [element('dt', {}, name), element('dd', {}, value)],
      ),
    ),
    element(
      'p',
      { className: 'actions' },
      copy,
      filter,
      link === undefined
        ? undefined
        : element(
            'a',
            { href: link, target: '_blank', rel: 'noopener noreferrer' },
            'Open the trace',
          ),
    ),
  );
}

/** @param {PageHop} hop */
function outcomeOf({ fault, cause, status }) {
  if (cause === undefined) return fault === 'none' ? undefined : `${status}, ${fault}'s fault`;
  return `${cause.replaceAll('_', ' ')}, ${fault}'s fault`;
}
