import { decodePercent, type Env, notAccepted, orUnset, type Warn } from '../settings.ts';

/** Attributes of the resource as the user has them; one pair that is wrong makes the specification discard all. */
export function readResource(env: Env, warn: Warn): Record<string, string> {
  const attributes = orUnset(env, 'OTEL_RESOURCE_ATTRIBUTES', warn, parseAttributes);
  const serviceName = env.OTEL_SERVICE_NAME?.trim();
  return {
    'service.name': 'haproxy',
    ...attributes,
    ...(serviceName ? { 'service.name': serviceName } : {}),
  };
}

/** A value begins behind the first `=`: who has another one in it meant it so. */
function parseAttributes(env: Env): Record<string, string> {
  const pairs = (env.OTEL_RESOURCE_ATTRIBUTES ?? '')
    .split(',')
    .filter((pair) => pair.trim() !== '');
  return Object.fromEntries(
    pairs.map((pair) => {
      const [name, value] = pair.split(/=(.*)/s).map((part) => decodePercent(part.trim()));
      if (name && value !== undefined) return [name, value];
      throw notAccepted(
        'OTEL_RESOURCE_ATTRIBUTES',
        pair.trim(),
        'name=value,name=value, percent-encoded where there is a comma or a percent sign in it,',
      );
    }),
  );
}
