// @ts-check
import { count, duration, element, percent, rate } from './text.js';

/** @import { StateView, TrafficView } from '../live-view.ts' */
/** @import { SeriesView } from '../series.ts' */
/**
 * @typedef {(backend: string | undefined, server: string | undefined) => void} OnPick called for a backend and,
 * perhaps, a server
 */

/** Small charts of the last minutes: figures over all hops, then a row for each backend and server. */

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 240;
const HEIGHT = 28;

/**
 * @param {string} name
 * @param {Readonly<Record<string, string>>} attributes
 * @param {...Node} children
 */
function svg(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

/**
 * @param {string} label
 * @param {...Node} children
 */
function frame(label, ...children) {
  return svg(
    'svg',
    {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: 'none',
      role: 'img',
      'aria-label': label,
      class: 'spark',
    },
    ...children,
  );
}

/**
 * Bars of how many came, the failed ones of them in red at the foot.
 *
 * @param {readonly number[]} values
 * @param {readonly number[]} failed
 * @param {string} label
 */
function bars(values, failed, label) {
  const most = Math.max(1, ...values);
  const step = WIDTH / values.length;
  const height = (/** @type {number} */ value) =>
    value === 0 ? 0 : Math.max(1, (value / most) * HEIGHT);
  const path = (/** @type {readonly number[]} */ list) =>
    list
      .map((value, i) =>
        value === 0
          ? ''
          : `M${(i * step).toFixed(1)} ${HEIGHT}v-${height(value).toFixed(1)}h${(step - 0.8).toFixed(1)}V${HEIGHT}z`,
      )
      .join('');
  return frame(
    label,
    svg('path', { d: path(values), class: 'all' }),
    svg('path', { d: path(failed), class: 'failed' }),
  );
}

/**
 * Two lines on one logarithmic scale: half of all hops took less than the lower one.
 *
 * @param {readonly (number | null)[]} lower
 * @param {readonly (number | null)[]} upper
 * @param {string} label
 */
function lines(lower, upper, label) {
  const known = [...lower, ...upper].flatMap((value) => (value !== null && value > 0 ? value : []));
  const least = Math.log(Math.min(...known, 1));
  const most = Math.log(Math.max(...known, 10));
  const step = WIDTH / lower.length;
  const y = (/** @type {number} */ value) =>
    HEIGHT - 2 - ((Math.log(Math.max(value, 1e-3)) - least) / (most - least)) * (HEIGHT - 4);
  const path = (/** @type {readonly (number | null)[]} */ list) => {
    let pen = 'M';
    let drawn = '';
    list.forEach((value, i) => {
      if (value === null) {
        pen = 'M';
        return;
      }
      const x = (i + 0.5) * step;
      // A single point is a short stroke.
      const alone = pen === 'M' && (list[i + 1] ?? null) === null ? `h${step.toFixed(1)}` : '';
      drawn += `${pen}${x.toFixed(1)} ${y(value).toFixed(1)}${alone}`;
      pen = 'L';
    });
    return drawn;
  };
  return frame(
    label,
    svg('path', { d: path(upper), class: 'upper' }),
    svg('path', { d: path(lower), class: 'lower' }),
  );
}

/**
 * @param {HTMLElement} into
 * @param {StateView} state
 * @param {TrafficView} traffic
 */
export function showFigures(into, state, traffic) {
  const { all, waits, minted, unsampled, slotSeconds } = traffic;
  const { total } = all;
  const seen = total.requests + unsampled.reduce((sum, value) => sum + value, 0);
  into.replaceChildren(
    figure(
      'Requests',
      `${rate(state.mint.rate)}/s`,
      'asked of the agent',
      bars(minted, [], `Requests a second over five minutes, now ${rate(state.mint.rate)}`),
    ),
    figure(
      'Sampled',
      percent(total.requests, seen),
      `${count(total.requests)} of ${count(seen)} hops are shown here`,
      bars(all.requests, [], 'Sampled hops over five minutes'),
    ),
    figure(
      'Errors',
      percent(total.errors, total.requests),
      `${count(total.errors)} in five minutes`,
      bars(all.errors, all.errors, `Errors in slots of ${slotSeconds} seconds`),
      total.errors > 0 ? 'bad' : '',
    ),
    figure(
      'Duration p50',
      duration(total.requests === 0 ? null : total.p50),
      total.requests === 0
        ? 'first to last byte'
        : `p99 ${duration(total.p99)}, first to last byte`,
      lines(all.p50, all.p99, 'Duration, median and 99th percentile'),
    ),
    figure(
      'Wait for the agent p50',
      duration(waits.total.requests === 0 ? null : waits.total.p50),
      `p99 ${duration(waits.total.requests === 0 ? null : waits.total.p99)}, in the agent ≤ ${duration(state.mint.latency.p99)}`,
      lines(waits.p50, waits.p99, 'Wait for the agent, median and 99th percentile'),
    ),
  );
}

/**
 * @param {string} name
 * @param {string} value
 * @param {string} note
 * @param {Node} chart
 * @param {string} tone
 */
function figure(name, value, note, chart, tone = '') {
  return element(
    'div',
    { className: `figure ${tone}` },
    element('h3', {}, name),
    element('p', { className: 'value' }, value),
    chart,
    element('p', { className: 'note' }, note),
  );
}

/**
 * @param {HTMLTableElement} table
 * @param {TrafficView} traffic
 * @param {OnPick} onPick
 */
export function showTraffic(table, traffic, onPick) {
  const rows = traffic.backends.flatMap((backend) => [
    row(backend.name, undefined, backend, traffic.slotSeconds, onPick),
    // With one server its row would repeat that of the backend.
    ...(backend.servers.length > 1 || backend.servers[0]?.total.requests !== backend.total.requests
      ? backend.servers.map((server) =>
          row(backend.name, server.name, server, traffic.slotSeconds, onPick),
        )
      : []),
  ]);
  const [body] = table.tBodies;
  /** @type {HTMLElement | null | undefined} */
  const focused = document.activeElement?.closest('#traffic button');
  const key = focused?.dataset.key;
  body?.replaceChildren(...rows);
  if (key !== undefined) {
    [...table.querySelectorAll('button')].find(({ dataset }) => dataset.key === key)?.focus();
  }
  table.closest('section')?.classList.toggle('nothing', rows.length === 0);
}

/**
 * @param {string} backend
 * @param {string | undefined} server
 * @param {SeriesView} series
 * @param {number} slotSeconds
 * @param {OnPick} onPick
 */
function row(backend, server, series, slotSeconds, onPick) {
  const { total, requests, errors, p50, p99 } = series;
  const name = server ?? backend;
  const [now = 0] = requests.slice(-2);
  const number = (/** @type {string} */ text, tone = '') =>
    element('td', { className: `number ${tone}` }, text);
  const pick = element(
    'button',
    {
      type: 'button',
      className: 'pick',
      title: `Only hops of ${name}`,
      dataset: { key: `${backend} ${server ?? ''}` },
    },
    name,
  );
  pick.addEventListener('click', () => onPick(backend, server));
  return element(
    'tr',
    { className: server === undefined ? 'backend' : 'server' },
    element('th', { attributes: { scope: 'row' } }, pick),
    element('td', { className: 'chart' }, bars(requests, errors, `Hops of ${name}, errors in red`)),
    number(rate(now / slotSeconds)),
    number(count(total.requests), 'hops'),
    number(percent(total.errors, total.requests), total.errors > 0 ? 'bad' : ''),
    element('td', { className: 'chart duration' }, lines(p50, p99, `Duration of hops of ${name}`)),
    number(duration(total.requests === 0 ? null : total.p50), 'p50'),
    number(duration(total.requests === 0 ? null : total.p95), 'p95'),
    number(duration(total.requests === 0 ? null : total.p99)),
  );
}
