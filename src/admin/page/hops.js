import { bytes, clock, duration, element } from './text.js';

/** Recent hops: a line each, with its phases as a waterfall, and all that is known of it when it is opened. */

/** In the order in which they come, with HAProxy's name for the timer. */
const PHASES = {
  handshake: ['handshake', '%Th'],
  request: ['request', '%TR less agent'],
  agent: ['agent', 'in %TR'],
  queue: ['queue', '%Tw'],
  connect: ['connect', '%Tc'],
  response: ['server', '%Tr'],
  transfer: ['transfer', '%Td'],
};

/** Milliseconds: bars have their lengths between these, by the logarithm. */
const SHORTEST = 0.5;
const LONGEST = 60_000;

export function showLegend(into) {
  into.replaceChildren(
    ...['request', 'agent', 'queue', 'connect', 'response', 'transfer'].map((name) =>
      element('span', {}, element('i', { className: `phase ${name}` }), PHASES[name][0]),
    ),
    element('span', {}, element('i', { className: 'phase response unfinished' }), 'not finished'),
    element('span', { className: 'hint' }, 'length: duration, logarithmic'),
  );
}

/** How many of a kind are shown until somebody asks for more: the newest, so that nothing new is hidden. */
const FOLDED = { errors: 10 };

/** The list: lines stay the same elements while hops come and go, so that what is opened stays open. */
export class HopList {
  /**
   * @param into the element that holds the list
   * @param actions what is asked of the page: `copy(hop)`, and `traceLink(hop)` for an address or undefined
   */
  constructor(into, actions) {
    this.into = into;
    this.actions = actions;
    this.lines = new Map();
    this.selected = undefined;
    this.unfolded = new Set();
    this.again = () => {};
    this.groups = new Map(
      Object.entries({
        kept: 'Opened before',
        errors: 'Failed',
        slow: 'Slowest',
        latest: 'Latest',
      }).map(([name, title]) => {
        const list = element('ul', { className: 'lines' });
        const more = element('button', { type: 'button', className: 'more' });
        more.addEventListener('click', () => {
          this.unfolded.add(name);
          this.again();
        });
        const group = element(
          'section',
          { className: `hops-${name}` },
          element('h3', { className: 'hops-title' }, title),
          list,
          more,
        );
        return [name, { group, list, more }];
      }),
    );
    this.empty = element('p', { className: 'empty' });
    into.replaceChildren(this.empty, ...[...this.groups.values()].map(({ group }) => group));
  }

  /**
   * @param hops as the feed has them
   * @param emptyText what to say where there are none
   * @param isFiltered whether these are what somebody looks for: then all of them are shown
   */
  show(hops, emptyText, isFiltered) {
    this.again = () => this.show(hops, emptyText, isFiltered);
    const wanted = { kept: [], errors: hops.errors, slow: hops.slow, latest: hops.latest };
    const present = new Set([...hops.errors, ...hops.slow, ...hops.latest].map(keyOf));
    wanted.kept = [...this.lines.values()]
      .filter(
        ({ key, hop, isOpen }) => !present.has(key) && (isOpen || this.selected === key) && hop,
      )
      .map(({ hop }) => hop);
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
      shown += lines.length;
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
    return this.lines.get(this.selected)?.hop;
  }

  /** @param step 1 for the next, -1 for the one before */
  move(step) {
    const heads = [...this.into.querySelectorAll('.hop > .line > .head')];
    if (heads.length === 0) return;
    const at = heads.indexOf(this.lines.get(this.selected)?.head);
    const next = heads[Math.min(heads.length - 1, Math.max(0, at === -1 ? 0 : at + step))];
    next.focus();
    next.closest('.hop').scrollIntoView({ block: 'nearest' });
  }

  line(hop) {
    const key = keyOf(hop);
    const known = this.lines.get(key);
    if (known !== undefined) return known;
    const line = { key, hop, isOpen: false, head: undefined, item: undefined };
    const copy = element(
      'button',
      { type: 'button', className: 'copy', title: 'Copy the trace id' },
      hop.traceId.slice(0, 8),
    );
    copy.setAttribute('aria-label', `Copy trace id ${hop.traceId}`);
    copy.addEventListener('click', () => this.actions.copy(hop));
    line.head = element(
      'button',
      { type: 'button', className: 'head', attributes: { 'aria-expanded': 'false' } },
      ...what(hop),
    );
    line.head.addEventListener('focus', () => {
      this.selected = key;
    });
    const summary = element(
      'div',
      { className: 'line' },
      element('time', {}, clock(hop.end)),
      badge(hop),
      line.head,
      element('span', { className: 'where' }, where(hop)),
      bar(hop),
      element('span', { className: 'took' }, duration(hop.duration)),
      copy,
    );
    line.item = element(
      'li',
      { className: `hop ${toneOf(hop)}`, dataset: { trace: hop.traceId } },
      summary,
    );
    summary.addEventListener('click', ({ target }) => {
      if (target.closest('.copy') === null) this.toggle(line);
    });
    this.lines.set(key, line);
    return line;
  }

  toggle(line) {
    line.isOpen = !line.isOpen;
    line.head.setAttribute('aria-expanded', String(line.isOpen));
    line.item.classList.toggle('open', line.isOpen);
    if (line.isOpen) line.item.append(details(line.hop, this.actions));
    else line.item.querySelector('.details')?.remove();
  }
}

function keyOf({ traceId, spanId }) {
  return `${traceId}-${spanId}`;
}

/** Puts `items` into `list` in their order and touches none that is in its place. */
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

function toneOf({ fault, status }) {
  if (fault === 'server' || fault === 'proxy') return 'failed';
  if (fault === 'client') return 'left';
  return status >= 400 ? 'warned' : '';
}

function badge(hop) {
  const { status, kind } = hop;
  const tone = status === undefined ? 'none' : `s${Math.floor(status / 100)}`;
  const text = status === undefined ? (kind === 'tcp' ? 'tcp' : '–––') : String(status);
  return element('span', { className: `badge ${tone} ${toneOf(hop)}` }, text);
}

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

function where({ frontend, backend, server }) {
  if (backend === undefined || backend === frontend)
    return server === undefined ? frontend : `${frontend} / ${server}`;
  return server === undefined ? backend : `${backend} / ${server}`;
}

/** One bar, as long as the logarithm of the whole, its parts in proportion. */
function bar(hop) {
  const { phases, unfinished } = hop;
  const share =
    Math.log(Math.max(hop.duration, SHORTEST) / SHORTEST) / Math.log(LONGEST / SHORTEST);
  const part = ({ name, ms }, extra = '') => {
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

/** Each phase where it lies in the whole, then everything else. */
function details(hop, actions) {
  const link = actions.traceLink(hop);
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

function outcomeOf({ fault, cause, status }) {
  if (cause === undefined) return fault === 'none' ? undefined : `${status}, ${fault}'s fault`;
  return `${cause.replaceAll('_', ' ')}, ${fault}'s fault`;
}

function waterfall(hop) {
  const whole = Math.max(hop.duration, 0.001);
  let passed = 0;
  const rows = [
    ...hop.phases,
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
