// @ts-check
import { showFigures, showTraffic } from './charts.js';
import { HopList } from './hops.js';
import { showFacts, showLamps } from './state.js';
import { byId, count, element, percent } from './text.js';
import { showLegend } from './waterfall.js';

/** The page: events from the agent, filters, and the keyboard. */

/** @import { PageHop } from '../page-hop.ts' */
/** @import { HopsView, StateView, TrafficView } from '../live-view.ts' */

const form = byId('filters', HTMLFormElement);
const FIELDS = /** @type {const} */ (['frontend', 'backend', 'server', 'status', 'trace']);
/** @typedef {(typeof FIELDS)[number]} FieldName */

/** @param {FieldName} name */
const fieldOf = (name) =>
  /** @type {HTMLInputElement | HTMLSelectElement} */ (form.elements.namedItem(name));

/** Milliseconds. */
const RETRY = 3_000;
const TYPING = 150;

/** @type {{ state?: StateView, traffic?: TrafficView, hops?: HopsView }} */
const received = {};
const EVENTS = /** @type {const} */ (['state', 'traffic', 'hops']);
let feed = 'connecting';
let paused = false;
/** Whether a mouse is on the list of hops. */
let pointing = false;
/** What is shown goes by this filter; what is typed joins it as a whole, after a pause. */
let filter = readFilter();
/** @type {EventSource | undefined} */
let source;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let retry;

const help = byId('help', HTMLDialogElement);
const list = new HopList(byId('hops'), { copy, traceLink, pick });
showLegend(byId('legend'));

// Events from the agent

function connect() {
  disconnect();
  if (paused || document.hidden) return;
  const opened = new EventSource(`api/events?${filter.query}`);
  source = opened;
  opened.onopen = () => setFeed('live');
  opened.onerror = () => {
    setFeed('disconnected');
    // The browser reconnects by itself, unless it was refused.
    if (opened.readyState === EventSource.CLOSED) retry = setTimeout(connect, RETRY);
  };
  for (const name of EVENTS) {
    opened.addEventListener(name, ({ data }) => {
      received[name] = JSON.parse(data);
      show();
    });
  }
}

function disconnect() {
  clearTimeout(retry);
  source?.close();
  source = undefined;
}

/** @param {string} next */
function setFeed(next) {
  feed = next;
  showLamps(feed, received.state);
}

let drawn = false;

/** Draws once for all events that came together. */
function show() {
  if (drawn) return;
  drawn = true;
  requestAnimationFrame(() => {
    drawn = false;
    const { state, traffic, hops } = received;
    if (state === undefined || traffic === undefined || hops === undefined) return;
    showLamps(feed, state);
    showFigures(byId('figures'), state, traffic);
    showTraffic(byId('traffic', HTMLTableElement), traffic, pick);
    showFacts(byId('facts'), state);
    offer(traffic, hops);
    // The list is not updated under a pointer.
    if (!pointing) showHops();
    byId('traffic-note').textContent = 'sampled hops of the last five minutes';
    byId('hops-note').textContent = pointing
      ? 'stand still under the pointer'
      : sampledNote(traffic);
  });
}

function showHops() {
  const { hops, traffic } = received;
  if (filter.wrong !== undefined) list.show(NO_HOPS, filter.wrong, true);
  else if (hops !== undefined && traffic !== undefined) {
    list.show(hops, emptyNote(traffic), filter.query !== '');
  }
}

/** @param {TrafficView} traffic */
function sampledNote({ all, unsampled }) {
  const seen = all.total.requests;
  const rest = unsampled.reduce((sum, value) => sum + value, 0);
  if (rest === 0) return 'failed ones and the slowest of the last minutes, then the latest';
  return `sampled ones only, ${percent(seen, seen + rest)} of all: ${count(rest)} in five minutes were not sampled and are not read`;
}

/** @param {TrafficView} traffic */
function emptyNote({ all, unsampled }) {
  if (filter.query !== '') return 'No recent hop is like that.';
  const rest = unsampled.reduce((sum, value) => sum + value, 0);
  if (all.total.requests === 0 && rest > 0)
    return 'Requests come, and none is sampled: nothing is read of them.';
  return 'No hop yet. Send a request through HAProxy, and it is here within a second.';
}

// Filters

function readFilter() {
  const query = new URLSearchParams();
  for (const name of FIELDS) {
    const { value: text } = fieldOf(name);
    const value = name === 'trace' ? traceOf(text) : text;
    if (value) query.set(name, value);
  }
  return { query: query.toString(), wrong: wrongTrace() };
}

const NO_HOPS = { errors: [], slow: [], latest: [] };

/** What is wrong with what stands in place of a trace id: no hop is of it. */
function wrongTrace() {
  const text = fieldOf('trace').value.trim();
  if (text === '' || traceOf(text) !== '') return undefined;
  return `"${text}" is no trace id: 32 hexadecimal digits, or how they begin, are searched for.`;
}

/**
 * A trace id or its beginning, also out of a traceparent or an address.
 *
 * @param {string} text
 */
function traceOf(text) {
  const lower = text.trim().toLowerCase();
  const whole = /[0-9a-f]{32}/.exec(lower)?.[0];
  return whole ?? (/^[0-9a-f]{1,31}$/.test(lower) ? lower : '');
}

function refilter() {
  // A new filter applies at once, wherever the pointer is.
  pointing = false;
  filter = readFilter();
  // Those that were received are of the filter before.
  delete received.hops;
  const { query, wrong } = filter;
  const isWrong = wrong !== undefined;
  fieldOf('trace').setAttribute('aria-invalid', String(isWrong));
  form.classList.toggle('active', query !== '' || isWrong);
  history.replaceState(null, '', query === '' ? location.pathname : `#${query}`);
  if (isWrong) showHops();
  if (paused) setPaused(false);
  else connect();
}

/**
 * Names come with the events; a chosen name stays in the list even if no event has it any more.
 *
 * @param {TrafficView} traffic
 * @param {HopsView} hops
 */
function offer({ backends }, { frontends }) {
  options('frontend', frontends);
  options(
    'backend',
    backends.map(({ name }) => name),
  );
  const chosen = fieldOf('backend').value;
  const servers = backends
    .filter(({ name }) => chosen === '' || name === chosen)
    .flatMap((backend) => backend.servers.map(({ name }) => name));
  options('server', [...new Set(servers)].sort());
}

/**
 * @param {'frontend' | 'backend' | 'server'} field
 * @param {readonly string[]} names
 */
function options(field, names) {
  const select = /** @type {HTMLSelectElement} */ (fieldOf(field));
  const chosen = select.value;
  const wanted = ['', ...names];
  if (chosen !== '' && !names.includes(chosen)) wanted.push(chosen);
  const present = [...select.options].map(({ value }) => value);
  if (present.length === wanted.length && present.every((value, i) => value === wanted[i])) return;
  select.replaceChildren(
    ...wanted.map((value) =>
      element('option', { value, selected: value === chosen }, value === '' ? 'all' : value),
    ),
  );
}

/** @param {Readonly<Partial<Record<FieldName, string>>>} values */
function choose(values) {
  for (const name of FIELDS) {
    const value = values[name];
    if (value === undefined) continue;
    const field = fieldOf(name);
    if (
      field instanceof HTMLSelectElement &&
      ![...field.options].some((option) => option.value === value)
    ) {
      field.append(element('option', { value }, value));
    }
    field.value = value;
  }
  refilter();
}

/**
 * @param {string | undefined} backend
 * @param {string | undefined} server
 */
function pick(backend, server) {
  choose({ backend: backend ?? '', server: server ?? '' });
}

function readHash() {
  const query = new URLSearchParams(location.hash.slice(1));
  choose(Object.fromEntries(FIELDS.map((name) => [name, query.get(name) ?? ''])));
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let typing;
form.addEventListener('change', refilter);
form.addEventListener('input', ({ target }) => {
  if (target !== fieldOf('trace')) return;
  clearTimeout(typing);
  typing = setTimeout(refilter, TYPING);
});
form.addEventListener('submit', (event) => {
  event.preventDefault();
  refilter();
});
form.addEventListener('reset', () => setTimeout(refilter));
addEventListener('hashchange', readHash);

// Copy and link

/** @param {PageHop} hop */
async function copy({ traceId }) {
  let done = true;
  try {
    await navigator.clipboard.writeText(traceId);
  } catch {
    // Without TLS, and not on this host, there is no clipboard API.
    const area = element('textarea', { value: traceId, className: 'offscreen', readOnly: true });
    document.body.append(area);
    const before = document.activeElement;
    area.select();
    done = document.execCommand('copy');
    area.remove();
    if (before instanceof HTMLElement) before.focus();
  }
  toast(done ? `Copied ${traceId}` : 'The browser does not let this page copy');
}

/** @param {PageHop} hop */
function traceLink({ traceId }) {
  return received.state?.traceUrl?.replaceAll('{traceId}', traceId);
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let toasting;
/** @param {string} text */
function toast(text) {
  const shown = byId('toast');
  shown.textContent = text;
  shown.hidden = false;
  clearTimeout(toasting);
  toasting = setTimeout(() => {
    shown.hidden = true;
  }, 2_500);
}

// Pause, theme, keyboard

/** @param {boolean} next */
function setPaused(next) {
  paused = next;
  byId('pause').setAttribute('aria-pressed', String(paused));
  byId('pause').textContent = paused ? 'Go on' : 'Pause';
  if (paused) {
    disconnect();
    setFeed('paused');
  } else connect();
}

const THEME = 'haproxy-otel-spoa theme';

/** @param {string | null} theme */
function setTheme(theme) {
  if (theme === null) return;
  document.documentElement.dataset.theme = theme;
  localStorage.setItem(THEME, theme);
}

function otherTheme() {
  const chosen = document.documentElement.dataset.theme;
  const dark =
    chosen === undefined ? matchMedia('(prefers-color-scheme: dark)').matches : chosen === 'dark';
  setTheme(dark ? 'light' : 'dark');
}

/**
 * What a key does on an element; false where it has its usual effect.
 *
 * @type {Readonly<Record<string, (target: Element) => unknown>>}
 */
const KEYS = {
  j: () => list.move(1),
  k: () => list.move(-1),
  ArrowDown: (target) => target.closest('#hops') !== null && list.move(1),
  ArrowUp: (target) => target.closest('#hops') !== null && list.move(-1),
  c: () => list.current && copy(list.current),
  o: () => {
    const link = list.current && traceLink(list.current);
    if (link) open(link, '_blank', 'noopener');
  },
  f: () => list.current && pick(list.current.backend, list.current.server),
  '/': () => {
    const trace = /** @type {HTMLInputElement} */ (fieldOf('trace'));
    trace.focus();
    trace.select();
  },
  p: () => setPaused(!paused),
  x: () => form.reset(),
  t: otherTheme,
  '?': () => help.showModal(),
};

addEventListener('keydown', (event) => {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  if (target instanceof HTMLInputElement || target instanceof HTMLSelectElement) {
    if (key === 'Escape') {
      // The browser would empty the field.
      event.preventDefault();
      target.blur();
    }
    return;
  }
  const action = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
  if (action === undefined || !(target instanceof Element) || action(target) === false) return;
  event.preventDefault();
});

byId('hops').addEventListener('pointerenter', ({ pointerType }) => {
  pointing = pointerType === 'mouse';
  show();
});
byId('hops').addEventListener('pointerleave', () => {
  pointing = false;
  show();
});
byId('pause').addEventListener('click', () => setPaused(!paused));
byId('theme').addEventListener('click', otherTheme);
byId('keys').addEventListener('click', () => help.showModal());
document.addEventListener('visibilitychange', connect);

setTheme(localStorage.getItem(THEME));
showLamps(feed, undefined);
readHash();
