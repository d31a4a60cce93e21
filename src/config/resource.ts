import { decodePercent, notAccepted } from '../settings.ts';
import type { SettingsReader } from './reader.ts';
import { defaultOf, SETTINGS } from './table.ts';

/** Attributes of the resource as the user has them; one pair that is wrong makes the specification discard all. */
export function readResource(settings: SettingsReader): Record<string, string> {
  const attributes = settings.parse('OTEL_RESOURCE_ATTRIBUTES', parseAttributes);
  const serviceName = settings.text('OTEL_SERVICE_NAME');
  return {
    'service.name': defaultOf('OTEL_SERVICE_NAME'),
    ...attributes,
    ...(serviceName ? { 'service.name': serviceName } : {}),
  };
}

/** A value begins behind the first `=`, and may have others in it. */
function parseAttributes(text = ''): Record<string, string> {
  const pairs = text.split(',').filter((pair) => pair.trim() !== '');
  return Object.fromEntries(
    pairs.map((pair) => {
      const [name, value] = pair.split(/=(.*)/s).map((part) => decodePercent(part.trim()));
      if (name && value !== undefined) return [name, value];
      throw notAccepted(
        'OTEL_RESOURCE_ATTRIBUTES',
        pair.trim(),
        SETTINGS.OTEL_RESOURCE_ATTRIBUTES.type.accepts,
      );
    }),
  );
}
