// A plot of several panels over one time axis, as an SVG that is readable in light and in dark.

const WIDTH = 860;
const LEFT = 70;
const RIGHT = 20;
const PANEL = 96;
const GAP = 44;
const TOP = 56;
const TICKS = 6;

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 15px; font-weight: 600 }
  .minor { fill: #59636e }
  .axis { stroke: #d1d9e0 }
  .line { fill: none; stroke-width: 1.5; stroke-linejoin: round }
  .s0 { stroke: #0969da } .t0 { fill: #0969da }
  .s1 { stroke: #bc4c00 } .t1 { fill: #bc4c00 }
  .paper { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .minor { fill: #9198a1 } .axis { stroke: #3d444d } .paper { fill: #0d1117 }
    .s0 { stroke: #4493f8 } .t0 { fill: #4493f8 } .s1 { stroke: #db6d28 } .t1 { fill: #db6d28 }
  }`;

/**
 * @param panels each `{ title, series: [{ name, values }] }`, of two series at most, with a value for each of `times`
 * @param times in seconds
 */
export function plot({ title, subtitle, times, panels }) {
  const last = times.at(-1) ?? 1;
  const x = (time) => LEFT + (time / last) * (WIDTH - LEFT - RIGHT);
  const height = TOP + panels.length * (PANEL + GAP) + 8;
  const parts = panels.map((panel, index) => drawn(panel, TOP + index * (PANEL + GAP), times, x));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img">
<title>${escaped(title)}</title>
<style>${STYLE}
</style>
<rect class="paper" width="${WIDTH}" height="${height}"/>
<text class="title" x="${LEFT}" y="22">${escaped(title)}</text>
<text class="minor" x="${LEFT}" y="40">${escaped(subtitle)}</text>
${parts.join('\n')}
</svg>
`;
}

function drawn({ title, series }, top, times, x) {
  const most = roundedUp(Math.max(...series.flatMap(({ values }) => values)));
  const bottom = top + GAP / 2 + PANEL;
  const y = (value) => bottom - (value / most) * PANEL;
  const legend = series.map(
    ({ name }, index) =>
      `<tspan class="t${index}" dx="10">${series.length > 1 ? escaped(name) : ''}</tspan>`,
  );
  const marks = Array.from({ length: TICKS + 1 }, (_, tick) => (times.at(-1) * tick) / TICKS).map(
    (time) =>
      `<text class="minor" text-anchor="middle" x="${x(time).toFixed(1)}" y="${bottom + 15}">${clock(time)}</text>`,
  );
  const lines = series.map(({ values }, index) => {
    const points = values.map((value, at) => `${x(times[at]).toFixed(1)},${y(value).toFixed(1)}`);
    return `<polyline class="line s${index}" points="${points.join(' ')}"/>`;
  });
  return [
    `<text x="${LEFT}" y="${top + GAP / 2 - 6}">${escaped(title)}${legend.join('')}</text>`,
    ...[0, most / 2, most].map(
      (value) =>
        `<line class="axis" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(value)}" y2="${y(value)}"/>` +
        `<text class="minor" text-anchor="end" x="${LEFT - 8}" y="${y(value) + 4}">${value.toLocaleString('en')}</text>`,
    ),
    ...marks,
    ...lines,
  ].join('\n');
}

/** The next of 1, 2, 4, 5 or 8 times a power of ten; 1 at least, which is what no losses are drawn on. */
function roundedUp(value) {
  if (value <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 8, 10].map((step) => step * power).find((step) => step >= value);
}

function clock(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
