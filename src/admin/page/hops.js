// @ts-check
import { details } from './details.js';
import { clock, duration, element } from './text.js';
import { bar } from './waterfall.js';

/** @import { PageHop } from '../page-hop.ts' */
/** @import { HopsView } from '../live-view.ts' */
/**
 * @typedef {{
 *   copy: (hop: PageHop) => void,
 *   traceLink: (hop: PageHop) => string | undefined,
 *   pick: (backend: string | undefined, server: string | undefined) => void,
 * }} Actions what is asked of the page
 * @typedef {'kept' | 'errors' | 'slow' | 'latest'} GroupName
 * @typedef {Omit<HopsView, 'frontends'>} Hops
 * @typedef {{
 *   readonly key: string,
 *   readonly hop: PageHop,
 *   readonly head: HTMLElement,
 *   readonly item: HTMLElement,
 *   isOpen: boolean,
 * }} Line
 */

/** Recent hops: a line each, with its phases, and all that is known of it when it is opened. */

/** How many of a kind are shown until they are unfolded: the newest, so that nothing new is hidden. */
/** @type {Readonly<Partial<Record<GroupName, number>>>} */
const FOLDED = { errors: 10 };

/** @type {Readonly<Record<GroupName, string>>} */
const TITLES = { kept: 'Opened before', errors: 'Failed', slow: 'Slowest', latest: 'Latest' };

const GROUPS = /** @type {GroupName[]} */ (Object.keys(TITLES));

/** The list: lines stay the same elements while hops come and go, so that what is opened stays open. */
export class HopList {
  /**
   * @param {HTMLElement} into the element that holds the list
   * @param {Actions} actions
   */
  constructor(into, actions) {
    this.into = into;
    this.actions = actions;
    /** @type {Map<string, Line>} */
    this.lines = new Map();
    /** @type {string | undefined} */
    this.selected = undefined;
    /** @type {Set<GroupName>} */
    this.unfolded = new Set();
    this.again = () => {};
    this.groups = new Map(
      GROUPS.map((name) => {
        const list = element('ul', { className: 'lines' });
        const more = element('button', { type: 'button', className: 'more' });
        more.addEventListener('click', () => {
          this.unfolded.add(name);
          this.again();
        });
        const group = element(
          'section',
          { className: `hops-${name}` },
          element('h3', { className: 'hops-title' }, TITLES[name]),
          list,
          more,
        );
        return /** @type {const} */ ([name, { group, list, more }]);
      }),
    );
    this.empty = element('p', { className: 'empty' });
    into.replaceChildren(this.empty, ...[...this.groups.values()].map(({ group }) => group));
  }

  /**
   * @param {Hops} hops
   * @param {string} emptyText what stands there where there are none
   * @param {boolean} isFiltered whether a filter is set: then all of them are shown
   */
  show(hops, emptyText, isFiltered) {
    this.again = () => this.show(hops, emptyText, isFiltered);
    const { errors, slow, latest } = hops;
    const present = new Set([...errors, ...slow, ...latest].map(keyOf));
    const kept = [...this.lines.values()]
      .filter(({ key, isOpen }) => !present.has(key) && (isOpen || this.selected === key))
      .map(({ hop }) => hop);
    const wanted = { kept, errors, slow, latest };
    const focused = this.into.contains(document.activeElement) ? this.selected : undefined;
    const used = new Set();
    let shown = 0;
    for (const [name, { group, list, more }] of this.groups) {
      const most = isFiltered || this.unfolded.has(name) ? undefined : FOLDED[name];
      const lines = wanted[name].slice(0, most).map((hop) => this.line(hop));
      const rest = wanted[name].length - lines.length;
      more.hidden = rest === 0;
      more.textContent = `${rest} more`;
      for (const { key } of lines) used.add(key);
      arrange(
        list,
        lines.map(({ item }) => item),
      );
      group.hidden = lines.length === 0;
      // Those that were opened before are not what was asked for.
      if (name !== 'kept') shown += lines.length;
    }
    for (const key of this.lines.keys()) if (!used.has(key)) this.lines.delete(key);
    this.empty.hidden = shown > 0;
    this.empty.textContent = emptyText;
    if (focused !== undefined && !this.into.contains(document.activeElement)) {
      this.lines.get(focused)?.head.focus({ preventScroll: true });
    }
    return shown;
  }

  /** The hop that the keyboard is at. */
  get current() {
    return this.selected === undefined ? undefined : this.lines.get(this.selected)?.hop;
  }

  /** @param {1 | -1} step to the next or to the one before */
  move(step) {
    /** @type {NodeListOf<HTMLElement>} */
    const found = this.into.querySelectorAll('.hop > .line > .head');
    const heads = [...found];
    const at = heads.findIndex((head) => head === this.lines.get(this.selected ?? '')?.head);
    const next = heads[Math.min(heads.length - 1, Math.max(0, at === -1 ? 0 : at + step))];
    next?.focus();
    next?.closest('.hop')?.scrollIntoView({ block: 'nearest' });
  }

  /** @param {PageHop} hop */
  line(hop) {
    const key = keyOf(hop);
    const known = this.lines.get(key);
    if (known !== undefined) return known;
    const copy = element(
      'button',
      { type: 'button', className: 'copy', title: 'Copy the trace id' },
      hop.traceId.slice(0, 8),
    );
    copy.setAttribute('aria-label', `Copy trace id ${hop.traceId}`);
    copy.addEventListener('click', () => this.actions.copy(hop));
    const head = element(
      'button',
      { type: 'button', className: 'head', attributes: { 'aria-expanded': 'false' } },
      ...what(hop),
    );
    head.addEventListener('focus', () => {
      this.selected = key;
    });
    const summary = element(
      'div',
      { className: 'line' },
      element('time', {}, clock(hop.end)),
      badge(hop),
      head,
      element('span', { className: 'where' }, where(hop)),
      bar(hop),
      element('span', { className: 'took' }, duration(hop.duration)),
      copy,
    );
    const item = element(
      'li',
      { className: `hop ${toneOf(hop)}`, dataset: { trace: hop.traceId } },
      summary,
    );
    /** @type {Line} */
    const line = { key, hop, head, item, isOpen: false };
    summary.addEventListener('click', ({ target }) => {
      if (target instanceof Element && target.closest('.copy') === null) this.toggle(line);
    });
    this.lines.set(key, line);
    return line;
  }

  /** @param {Line} line */
  toggle(line) {
    line.isOpen = !line.isOpen;
    line.head.setAttribute('aria-expanded', String(line.isOpen));
    line.item.classList.toggle('open', line.isOpen);
    if (line.isOpen) line.item.append(details(line.hop, this.actions));
    else line.item.querySelector('.details')?.remove();
  }
}

/** @param {PageHop} hop */
function keyOf({ traceId, spanId }) {
  return `${traceId}-${spanId}`;
}

/**
 * Puts `items` into `list` in their order and touches none that is in its place.
 *
 * @param {HTMLElement} list
 * @param {readonly HTMLElement[]} items
 */
function arrange(list, items) {
  let at = list.firstChild;
  for (const item of items) {
    if (item === at) at = at.nextSibling;
    else list.insertBefore(item, at);
  }
  while (at !== null) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

/** @param {PageHop} hop */
function toneOf({ fault, status }) {
  if (fault === 'server' || fault === 'proxy') return 'failed';
  if (fault === 'client') return 'left';
  return status !== undefined && status >= 400 ? 'warned' : '';
}

/** @param {PageHop} hop */
function badge(hop) {
  const { status, kind } = hop;
  const tone = status === undefined ? 'none' : `s${Math.floor(status / 100)}`;
  const text = status === undefined ? (kind === 'tcp' ? 'tcp' : '–––') : String(status);
  return element('span', { className: `badge ${tone} ${toneOf(hop)}` }, text);
}

/** @param {PageHop} hop */
function what({
  kind,
  method,
  path,
  query,
  host,
  cause,
  retries,
  redispatched,
  connectionError,
  frontend,
}) {
  const target =
    kind === 'http'
      ? `${path ?? ''}${query === undefined ? '' : `?${query}`}`
      : (connectionError ?? frontend);
  return [
    element('b', {}, kind === 'http' ? (method ?? '?') : kind === 'tcp' ? 'TCP' : 'connection'),
    element(
      'span',
      { className: 'path', title: `${host ?? ''}${target}` },
      target === '' ? (host ?? '–') : target,
    ),
    cause === undefined
      ? undefined
      : element('em', { className: 'cause' }, cause.replaceAll('_', ' ')),
    retries === 0
      ? undefined
      : element(
          'em',
          { className: 'retries' },
          `${retries} ${retries === 1 ? 'retry' : 'retries'}${redispatched ? ', other server' : ''}`,
        ),
  ].filter((part) => part !== undefined);
}

/** @param {PageHop} hop */
function where({ frontend, backend, server }) {
  if (backend === undefined || backend === frontend)
    return server === undefined ? frontend : `${frontend} / ${server}`;
  return server === undefined ? backend : `${backend} / ${server}`;
}
