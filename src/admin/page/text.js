// @ts-check
/** Numbers and times as people read them, and elements that hold text: nothing here ever writes markup. */

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @typedef {Partial<Omit<HTMLElementTagNameMap[Name], 'attributes' | 'dataset' | 'style'>> & {
 *   dataset?: Readonly<Record<string, string>>,
 *   attributes?: Readonly<Record<string, string>>,
 * }} Properties
 */

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name of the element
 * @param {Properties<Name>} [properties] set as they are; `dataset` and `attributes` one by one
 * @param {...(Node | string | undefined)} children texts stay texts
 */
export function element(name, properties, ...children) {
  const made = document.createElement(name);
  const { dataset = {}, attributes = {}, ...own } = properties ?? {};
  Object.assign(made, own);
  Object.assign(made.dataset, dataset);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

/**
 * The element with an id.
 *
 * @template {HTMLElement} [Type=HTMLElement]
 * @param {string} id
 * @param {new () => Type} [type] what it has to be
 */
export function byId(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof (type ?? HTMLElement))) throw new TypeError(`#${id} is not as expected`);
  return /** @type {Type} */ (found);
}

/**
 * Milliseconds with three digits, from microseconds to hours.
 *
 * @param {number | null | undefined} milliseconds
 */
export function duration(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return '–';
  if (milliseconds === 0) return '0';
  if (milliseconds < 1) return `${digits(milliseconds * 1000)} µs`;
  if (milliseconds < 1000) return `${digits(milliseconds)} ms`;
  if (milliseconds < 120_000) return `${digits(milliseconds / 1000)} s`;
  if (milliseconds < 7_200_000) return `${digits(milliseconds / 60_000)} min`;
  return `${digits(milliseconds / 3_600_000)} h`;
}

/** @param {number} value */
export function count(value) {
  return value < 100_000 ? Math.round(value).toLocaleString('en') : compact.format(value);
}

/** @param {number} perSecond */
export function rate(perSecond) {
  return perSecond < 10 ? perSecond.toFixed(perSecond === 0 ? 0 : 1) : count(perSecond);
}

/**
 * @param {number} part
 * @param {number} whole
 */
export function percent(part, whole) {
  if (whole === 0 || part === 0) return '0 %';
  const share = (part / whole) * 100;
  return `${share < 10 ? share.toFixed(share < 0.1 ? 2 : 1) : Math.round(share)} %`;
}

/** @param {number | undefined} value */
export function bytes(value) {
  if (value === undefined) return '–';
  const units = ['B', 'kB', 'MB', 'GB'];
  let unit = 0;
  let number = value;
  while (number >= 1000 && unit < units.length - 1) {
    number /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? number : digits(number)} ${units[unit]}`;
}

/** @param {number} milliseconds since the epoch */
export function clock(milliseconds) {
  const time = new Date(milliseconds);
  const two = (/** @type {number} */ number) => String(number).padStart(2, '0');
  const seconds = `${two(time.getSeconds())}.${String(time.getMilliseconds()).padStart(3, '0')}`;
  return `${two(time.getHours())}:${two(time.getMinutes())}:${seconds}`;
}

/**
 * How long ago, in one unit.
 *
 * @param {number} milliseconds
 */
export function ago(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** @param {number} number */
function digits(number) {
  if (number >= 100) return String(Math.round(number));
  return String(Number(number.toPrecision(3)));
}
