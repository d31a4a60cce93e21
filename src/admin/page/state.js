// @ts-check
import { ago, byId, bytes, count, duration, element, percent } from './text.js';

/** @import { StateView } from '../live-view.ts' */
/** @typedef {readonly [name: string, value: string, tone?: string]} Fact */

/** The agent's own state: three lamps at the top, and the facts at the foot of the page. */

/**
 * @param {string} feed state of the connection to the agent
 * @param {StateView | undefined} state
 */
export function showLamps(feed, state) {
  lamp('lamp-feed', feed === 'live' ? 'good' : feed === 'paused' ? 'idle' : 'bad', feed);
  if (state === undefined) return;
  lamp('lamp-agent', state.ready ? 'good' : 'bad', state.ready ? 'agent ready' : 'agent not ready');
  const { kind, state: exporting, since } = state.exporter;
  if (kind === 'none') lamp('lamp-exporter', 'idle', 'no exporter');
  else if (exporting === 'working') lamp('lamp-exporter', 'good', 'exporter works');
  else if (exporting === 'refusing') lamp('lamp-exporter', 'bad', 'receiver refuses spans');
  else lamp('lamp-exporter', 'bad', `export fails for ${ago(state.now - (since ?? state.now))}`);
}

/**
 * @param {string} id
 * @param {string} tone
 * @param {string} text
 */
function lamp(id, tone, text) {
  const shown = byId(id);
  shown.dataset.tone = tone;
  if (shown.textContent !== text) shown.textContent = text;
}

/**
 * @param {HTMLElement} into
 * @param {StateView} state
 */
export function showFacts(into, state) {
  const { mint, records, exporter, spans } = state;
  into.replaceChildren(
    group('Mint thread', [
      ['SPOP connections', count(mint.connections)],
      ['Requests', count(mint.requests)],
      ['Traces continued', `${count(mint.continued)} (${percent(mint.continued, mint.minted)})`],
      ['Traces started', count(mint.started)],
      ['Callers not trusted', count(mint.restarted + mint.ignored)],
      ['Contexts invalid', count(mint.invalid)],
      ['Sampled', `${count(mint.sampled)} (${percent(mint.sampled, mint.minted)})`],
      ['Event loop late', `${duration(mint.delay.p99)} p99, ${duration(mint.delay.max)} at most`],
    ]),
    group('Records', [
      ['Sampled', count(records.sampled)],
      ['Unsampled', count(records.unsampled)],
      ['Of these, failed or slow and kept', count(records.kept)],
      ['Minted, no record yet', count(records.unrecorded)],
      ['Failed connections', count(records.connectionErrors)],
      ['Unusable lines', count(records.unusable), records.unusable > 0 ? 'bad' : ''],
      [
        "Dropped by HAProxy's ring",
        count(records.droppedByHaproxy),
        records.droppedByHaproxy > 0 ? 'bad' : '',
      ],
      ['Event loop late', `${duration(state.delay.p99)} p99, ${duration(state.delay.max)} at most`],
    ]),
    group('Exporter', [
      ['Receiver', exporter.target ?? exporter.kind],
      ['State', stateOf(state), exporter.state === 'working' ? '' : 'bad'],
      [
        'Last success',
        exporter.lastSuccess === undefined
          ? 'none yet'
          : `${ago(state.now - exporter.lastSuccess)} ago`,
      ],
      ['Spans exported', count(spans.exported)],
      ['Waiting', count(spans.waiting)],
      [
        'Dropped, refused',
        `${count(spans.dropped)}, ${count(spans.refused)}`,
        spans.dropped + spans.refused > 0 ? 'bad' : '',
      ],
      ['Batches sent again', count(spans.retries)],
    ]),
    group('Process', [
      ['Version', state.version],
      ['Running for', ago(state.now - state.startedAt)],
      ['Memory', bytes(state.memory)],
    ]),
  );
}

/** @param {StateView} state */
function stateOf({ now, exporter }) {
  if (exporter.kind === 'none') return 'nothing is exported';
  if (exporter.state === 'working') return 'works';
  const verb = exporter.state === 'failing' ? 'fails' : 'refuses';
  return `${verb} for ${ago(now - (exporter.since ?? now))}: ${exporter.reason ?? ''}`;
}

/**
 * @param {string} title
 * @param {readonly Fact[]} facts
 */
function group(title, facts) {
  return element(
    'div',
    { className: 'group' },
    element('h3', {}, title),
    element(
      'dl',
      {},
      ...facts.flatMap(([name, value, tone = '']) => [
        element('dt', {}, name),
        element('dd', { className: tone }, value),
      ]),
    ),
  );
}
