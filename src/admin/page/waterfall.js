// @ts-check
import { duration, element } from './text.js';

/** @import { PageHop, PhaseName } from '../page-hop.ts' */

/** The phases of a hop: as one bar in its line, and each by itself where it is opened. */

/**
 * In the order in which they come, with HAProxy's name for the timer.
 *
 * @type {Readonly<Record<PhaseName, readonly [title: string, timer: string]>>}
 */
const PHASES = {
  handshake: ['handshake', '%Th'],
  request: ['request', '%TR less agent'],
  agent: ['agent', 'in %TR'],
  queue: ['queue', '%Tw'],
  retry: ['retries', 'in %Tw, %Tc'],
  connect: ['connect', '%Tc'],
  response: ['server', '%Tr'],
  transfer: ['transfer', '%Td'],
};

/** Milliseconds: bars have their lengths between these, by the logarithm. */
const SHORTEST = 0.5;
const LONGEST = 60_000;

/** @type {readonly PhaseName[]} */
const LEGEND = ['request', 'agent', 'queue', 'retry', 'connect', 'response', 'transfer'];

/** @param {HTMLElement} into */
export function showLegend(into) {
  into.replaceChildren(
    ...LEGEND.map((name) =>
      element('span', {}, element('i', { className: `phase ${name}` }), PHASES[name][0]),
    ),
    element('span', {}, element('i', { className: 'phase response unfinished' }), 'not finished'),
    element('span', { className: 'hint' }, 'length: duration, logarithmic'),
  );
}

/**
 * One bar, as long as the logarithm of the whole, its parts in proportion.
 *
 * @param {PageHop} hop
 */
export function bar(hop) {
  const { phases, unfinished } = hop;
  const share =
    Math.log(Math.max(hop.duration, SHORTEST) / SHORTEST) / Math.log(LONGEST / SHORTEST);
  const part = (/** @type {{ name: string, ms: number }} */ { name, ms }, extra = '') => {
    const made = element('i', { className: `phase ${name} ${extra}` });
    made.style.flexGrow = String(ms);
    return made;
  };
  const known = phases.filter(({ ms }) => ms > 0);
  const rest =
    hop.duration - [...known, unfinished ?? { ms: 0 }].reduce((sum, { ms }) => sum + ms, 0);
  const inner = element(
    'span',
    { className: 'fall-inner' },
    ...known.map((phase) => part(phase)),
    unfinished === undefined ? undefined : part(unfinished, 'unfinished'),
    rest > 0 ? part({ name: 'rest', ms: rest }) : undefined,
  );
  inner.style.width = `${Math.min(100, 6 + 94 * share).toFixed(1)}%`;
  const spoken = [...phases, ...(unfinished === undefined ? [] : [unfinished])]
    .filter(({ ms }) => ms > 0)
    .map(({ name, ms }) => `${PHASES[name][0]} ${duration(ms)}`)
    .join(', ');
  return element(
    'span',
    { className: 'fall', title: spoken, attributes: { role: 'img', 'aria-label': spoken } },
    inner,
  );
}

/** @param {PageHop} hop */
export function waterfall(hop) {
  const whole = Math.max(hop.duration, 0.001);
  let passed = 0;
  const rows = [
    ...hop.phases.map((phase) => ({ ...phase, cut: false })),
    ...(hop.unfinished === undefined ? [] : [{ ...hop.unfinished, cut: true }]),
  ].map(({ name, ms, cut }) => {
    const [title, timer] = PHASES[name];
    const mark = element('i', { className: `phase ${name} ${cut ? 'unfinished' : ''}` });
    mark.style.marginInlineStart = `${Math.min(99.5, (passed / whole) * 100)}%`;
    mark.style.width = `${Math.min(100, (ms / whole) * 100)}%`;
    passed += ms;
    return element(
      'tr',
      { dataset: { phase: name } },
      element('th', { attributes: { scope: 'row' }, title: timer }, title),
      element('td', { className: 'number' }, duration(ms)),
      element('td', { className: 'track' }, mark),
      element('td', { className: 'note' }, cut ? 'not finished' : timer),
    );
  });
  return element(
    'table',
    { className: 'waterfall' },
    element('caption', {}, `${duration(hop.duration)} from the first byte to the last`),
    element('tbody', {}, ...rows),
  );
}
