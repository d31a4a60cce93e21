import { LOGS, METRICS, TRACES } from './config-exporters.ts';
import {
  boolean,
  chosen,
  entriesOf,
  FileSettings,
  integer,
  itemsOf,
  mapping,
  nameAndValue,
  named,
  nothing,
  oneOfKeys,
  onlyItem,
  type Rule,
  type Rules,
  ratio,
  refuse,
  text,
  textOf,
} from './config-rules.ts';
import { PROPAGATOR_NAMES } from './table.ts';

/** Keys of a batch processor, as variables of the specification have them. */
function batch(prefix: string, exporter: Rule): Rule {
  return mapping(
    {
      schedule_delay: integer(`${prefix}_SCHEDULE_DELAY`),
      export_timeout: integer(`${prefix}_EXPORT_TIMEOUT`),
      max_queue_size: integer(`${prefix}_MAX_QUEUE_SIZE`),
      max_export_batch_size: integer(`${prefix}_MAX_EXPORT_BATCH_SIZE`),
      exporter,
    },
    ['exporter'],
  );
}

/** A simple processor, which is only for exporters that send nothing. */
const simple = (rules: Rules): Rule =>
  mapping({ exporter: oneOfKeys({ console: rules.console ?? nothing }) }, ['exporter']);

const processors = (prefix: string, rules: Rules): Rule =>
  onlyItem(oneOfKeys({ batch: batch(prefix, oneOfKeys(rules)), simple: simple(rules) }));

const SAMPLER = 'OTEL_TRACES_SAMPLER';
const SAMPLER_ARG = 'OTEL_TRACES_SAMPLER_ARG';

/** @param prefix of the samplers' names that ask the parent first */
function samplers(prefix: '' | 'parentbased_'): Rules {
  const withRatio = (name: string): Rule =>
    chosen(SAMPLER, prefix + name, mapping({ ratio: ratio(SAMPLER_ARG) }));
  return {
    always_on: chosen(SAMPLER, `${prefix}always_on`, nothing),
    always_off: chosen(SAMPLER, `${prefix}always_off`, nothing),
    trace_id_ratio_based: withRatio('traceidratio'),
    'probability/development': withRatio('probability'),
    'jaeger_remote/development': chosen(SAMPLER, `${prefix}jaeger_remote`, jaegerRemote),
  };
}

const jaegerRemote: Rule = (value, settings) => {
  const parts = new FileSettings();
  mapping({
    endpoint: text('endpoint'),
    interval: integer('pollingIntervalMs'),
    initial_sampler: oneOfKeys({
      always_on: chosen('initialSamplingRate', '1', nothing),
      always_off: chosen('initialSamplingRate', '0', nothing),
      trace_id_ratio_based: mapping({ ratio: ratio('initialSamplingRate') }),
    }),
  })(value, parts);
  const pairs = Object.entries(parts.values).map((pair) => pair.join('='));
  settings.set(SAMPLER_ARG, pairs.join(','), value);
};

const PROPAGATOR_RULES: Rules = Object.fromEntries(PROPAGATOR_NAMES.map((name) => [name, nothing]));

const propagator: Rule = (value, settings) => {
  const names: string[] = [];
  const add = (name: string): void => {
    if (!names.includes(name)) names.push(name);
  };
  mapping({
    composite: (list) => {
      for (const item of itemsOf(list)) {
        oneOfKeys(PROPAGATOR_RULES)(item, settings);
        for (const [name] of entriesOf(item)) add(name);
      }
    },
    composite_list: (list) => {
      for (const name of (textOf(list) ?? '').split(',').map((part) => part.trim())) {
        if (name === '') continue;
        if (!Object.hasOwn(PROPAGATOR_RULES, name)) {
          throw refuse(
            list,
            `${Object.keys(PROPAGATOR_RULES).join(', ')} are accepted, not "${name}"`,
          );
        }
        add(name);
      }
    },
  })(value, settings);
  settings.set('OTEL_PROPAGATORS', names.join(',') || 'none', value);
};

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];
const SEVERITIES = Object.fromEntries(
  LEVELS.flatMap((level) => ['', '2', '3', '4'].map((step) => [level + step, level])),
);

const periodic = mapping(
  {
    interval: integer('OTEL_METRIC_EXPORT_INTERVAL'),
    timeout: integer('OTEL_METRIC_EXPORT_TIMEOUT'),
    exporter: oneOfKeys(METRICS),
  },
  ['exporter'],
);

const pull = mapping(
  {
    exporter: oneOfKeys({
      'prometheus/development': chosen('OTEL_METRICS_EXPORTER', 'prometheus', nothing),
    }),
  },
  ['exporter'],
);

/** Everything that the agent has of the model. */
export const MODEL: Rules = {
  disabled: boolean('OTEL_SDK_DISABLED'),
  log_level: named('OTEL_LOG_LEVEL', SEVERITIES),
  attribute_limits: mapping({
    attribute_value_length_limit: integer('OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT'),
    attribute_count_limit: integer('OTEL_ATTRIBUTE_COUNT_LIMIT'),
  }),
  propagator,
  tracer_provider: mapping(
    {
      processors: processors('OTEL_BSP', TRACES),
      sampler: oneOfKeys({
        ...samplers(''),
        parent_based: mapping({ root: oneOfKeys(samplers('parentbased_')) }),
      }),
      limits: mapping({
        attribute_value_length_limit: integer('OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT'),
        attribute_count_limit: integer('OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT'),
      }),
    },
    ['processors'],
  ),
  meter_provider: mapping(
    {
      readers: onlyItem(oneOfKeys({ periodic, pull })),
      exemplar_filter: named('OTEL_METRICS_EXEMPLAR_FILTER', {
        always_on: 'always_on',
        always_off: 'always_off',
        trace_based: 'trace_based',
      }),
    },
    ['readers'],
  ),
  logger_provider: mapping(
    {
      processors: processors('OTEL_BLRP', LOGS),
      limits: mapping({
        attribute_value_length_limit: integer('OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT'),
        attribute_count_limit: integer('OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT'),
      }),
    },
    ['processors'],
  ),
  // Settings of other distributions, by name.
  distribution: () => {},
};

/** @param variable for the service's name, which the detector of services reads */
export function resource(variable: (name: string) => string | undefined): Rule {
  return (value, settings) => {
    let list = '';
    let pairs: string[] = [];
    mapping({
      attributes: (attributes) => {
        pairs = itemsOf(attributes).map((item) => {
          const type = new Map(entriesOf(item)).get('type');
          if (type !== undefined && (textOf(type) ?? 'string') !== 'string') {
            throw refuse(type, 'the attributes of the resource are text: string is accepted');
          }
          const attribute = nameAndValue(item, ['name', 'value', 'type']);
          return `${encodeURIComponent(attribute.name)}=${encodeURIComponent(attribute.text)}`;
        });
      },
      attributes_list: (attributes) => {
        list = textOf(attributes) ?? '';
      },
      // Host and process are always there.
      'detection/development': mapping({
        detectors: (detectors) => {
          for (const detector of itemsOf(detectors)) {
            const service: Rule = (node) => {
              const name = variable('OTEL_SERVICE_NAME');
              if (name) settings.set('OTEL_SERVICE_NAME', name, node);
            };
            oneOfKeys({ host: nothing, process: nothing, service })(detector, settings);
          }
        },
      }),
    })(value, settings);
    const attributes = [list, ...pairs].filter((part) => part !== '').join(',');
    if (attributes !== '') settings.set('OTEL_RESOURCE_ATTRIBUTES', attributes, value);
  };
}
