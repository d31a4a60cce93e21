import { PROPAGATORS, type Propagator } from '../context/propagators.ts';
import type { SamplerConfig, SamplerName } from '../context/sampling.ts';
import { type Env, integerFrom, notAccepted, origin, ratio, read } from '../settings.ts';
import type { TailSamplingConfig } from '../telemetry/config.ts';
import type { SettingsReader } from './reader.ts';
import { defaultOf, PROPAGATOR_NAMES } from './table.ts';

/** Sampling ratios until a service has answered: the defaults of Jaeger's and AWS's own clients. */
const INITIAL_RATIO = { jaeger: 0.001, xray: 0.05 } as const;

export function readSampler(settings: SettingsReader): SamplerConfig {
  const name = settings.read('OTEL_TRACES_SAMPLER');
  if (!TAKES_ARGUMENT.test(name) && settings.text(ARGUMENT) !== undefined) {
    settings.warn(ARGUMENT, `is not used: the sampler is ${name}, which has none`);
  }
  return {
    name,
    maxTracesPerSecond: settings.read('HAPROXY_OTEL_MAX_TRACES_PER_SECOND'),
    ...settings.parse(ARGUMENT, (text) => parseArgument(text, name)),
  };
}

const ARGUMENT = 'OTEL_TRACES_SAMPLER_ARG';
const TAKES_ARGUMENT = /(ratio|probability|remote|xray)$/;

function parseArgument(
  text: string | undefined,
  name: SamplerName,
): Pick<SamplerConfig, 'ratio' | 'remote'> {
  switch (name) {
    case 'traceidratio':
    case 'parentbased_traceidratio':
    case 'probability':
    case 'parentbased_probability':
      return { ratio: read({ [ARGUMENT]: text }, ARGUMENT, Number(defaultOf(ARGUMENT)), ratio) };
    case 'jaeger_remote':
    case 'parentbased_jaeger_remote': {
      const parts = ['endpoint', 'pollingIntervalMs', 'initialSamplingRate'];
      const [endpoint = '', interval = '', rate = ''] = parts.map(partName);
      const values = parseParts(text, parts);
      return {
        ratio: read(values, rate, INITIAL_RATIO.jaeger, ratio),
        remote: {
          kind: 'jaeger_remote',
          endpoint: read(values, endpoint, 'http://localhost:14250', origin('http', 'https')),
          pollingInterval: read(values, interval, 60_000, integerFrom(100, 86_400_000)),
        },
      };
    }
    case 'xray': {
      const values = parseParts(text, ['endpoint']);
      const endpoint = read(values, partName('endpoint'), 'http://localhost:2000', origin('http'));
      return { ratio: INITIAL_RATIO.xray, remote: { kind: 'xray', endpoint } };
    }
    default:
      return { ratio: 1 };
  }
}

/** How a part is called in errors. */
const partName = (name: string): string => `${name} in ${ARGUMENT}`;

/** `name=value,name=value`, by `partName`. */
function parseParts(text: string | undefined, names: readonly string[]): Env {
  if (text === undefined) return {};
  const pairs = text.split(',').map((pair) => pair.split(/=(.*)/s).map((part) => part.trim()));
  const known = pairs.every(([name = '', value = '']) => names.includes(name) && value !== '');
  if (!known || new Set(pairs.map(([name]) => name)).size < pairs.length) {
    const accepted = names.map((name) => `${name}=…`).join(', ');
    throw notAccepted(ARGUMENT, text, `a list of ${accepted}`);
  }
  return Object.fromEntries(pairs.map(([name = '', value]) => [partName(name), value]));
}

/**
 * Both encodings of B3 are read by either name; baggage is HAProxy's, which passes it on. Unknown names, and `none`
 * among others, are ignored.
 */
export function readPropagators(settings: SettingsReader): readonly Propagator[] {
  const setting = 'OTEL_PROPAGATORS';
  const listed = settings
    .read(setting)
    .toLowerCase()
    .split(',')
    .map((name) => name.trim());
  const names = listed.filter((name) => PROPAGATOR_NAMES.some((known) => known === name));
  const unknown = listed.filter((name) => name !== '' && !names.includes(name));
  if (unknown.length > 0) {
    const accepted = PROPAGATOR_NAMES.join(', ');
    settings.warn(
      setting,
      `"${unknown.join(',')}" is passed over: a list of ${accepted} is accepted`,
    );
  }
  if (names.length === 0) return PROPAGATORS;
  if (names.includes('none') && new Set(names).size > 1) {
    settings.warn(setting, '"none" is passed over: it is accepted alone');
  }
  const propagators = names.map((name) => (name === 'b3multi' ? 'b3' : name));
  return [...new Set(propagators)].filter((name): name is Propagator =>
    PROPAGATORS.some((format) => format === name),
  );
}

/** The policies of tail sampling. */
export function readTailSampling(settings: SettingsReader): TailSamplingConfig {
  return {
    errors: settings.read('HAPROXY_OTEL_KEEP_ERRORS'),
    slowerThan: settings.read('HAPROXY_OTEL_KEEP_SLOWER_THAN'),
    perSecond: settings.read('HAPROXY_OTEL_KEEP_PER_SECOND'),
  };
}
