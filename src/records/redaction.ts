/**
 * What becomes of the parameters of a query. `all`: shown, except well-known secrets; `redact`: these names are
 * redacted too; `keep`: all other names are redacted; `none`: no query is shown.
 */
export type QueryRule =
  | { readonly kind: 'all' | 'none' }
  | { readonly kind: 'redact' | 'keep'; readonly names: readonly string[] };

type Compiled = {
  readonly kind: QueryRule['kind'];
  /** In lower case for `redact`, which matches in any case. */
  readonly names: ReadonlySet<string>;
};

let rule: Compiled = { kind: 'all', names: new Set() };

/** Sets what this thread shows of queries, in spans, log records and on the page alike. */
export function setQueryRule(next: QueryRule): void {
  const names = 'names' in next ? next.names : [];
  const { kind } = next;
  rule = {
    kind,
    names: new Set(kind === 'redact' ? names.map((name) => name.toLowerCase()) : names),
  };
}

/** Whether all parameters are shown except well-known secrets. */
export function showsQueries(): boolean {
  return rule.kind === 'all';
}

/** Query parameters whose values the conventions want hidden. */
const SECRET_NAMES =
  'AWSAccessKeyId|Signature|X-Amz-Credential|X-Amz-Security-Token|X-Amz-Signature|X-Goog-Signature|sig';
const SECRET_PARAMETER = new RegExp(`(^|&)(${SECRET_NAMES})=[^&]*`);
const ALL_SECRETS = new RegExp(SECRET_PARAMETER, 'g');
const SECRET_NAME = new RegExp(`^(?:${SECRET_NAMES})$`);

const REDACTED = 'REDACTED';

/** A query as it may be shown: undefined where there is none. */
export function redactQuery(query: string | undefined): string | undefined {
  if (query === undefined || query === '') return undefined;
  switch (rule.kind) {
    case 'all':
      return SECRET_PARAMETER.test(query) ? query.replace(ALL_SECRETS, `$1$2=${REDACTED}`) : query;
    case 'redact':
      return query.split('&').map(withoutSecrets).join('&');
    case 'keep':
      return query.replace(PARAMETER, allowedOrRedacted);
    case 'none':
      return undefined;
    default:
      return rule.kind satisfies never;
  }
}

/** Some servers separate parameters by semicolons, too: what follows a secret may be part of it. */
function withoutSecrets(parameters: string): string {
  const all = parameters.split(';');
  const index = all.findIndex((each) => each.includes('=') && isSecret(nameOf(each)));
  if (index === -1) return parameters;
  return [...all.slice(0, index), `${nameOf(all[index] ?? '')}=${REDACTED}`].join(';');
}

const PARAMETER = /[^&;]+/g;

function allowedOrRedacted(parameter: string): string {
  const name = nameOf(parameter);
  if (rule.names.has(name) && !SECRET_NAME.test(name)) return parameter;
  return parameter.includes('=') ? `${name}=${REDACTED}` : REDACTED;
}

function nameOf(parameter: string): string {
  return parameter.split('=', 1)[0] ?? '';
}

/** Servers decode names, and some do not care for case. */
function isSecret(name: string): boolean {
  if (SECRET_NAME.test(name)) return true;
  return rule.kind === 'redact' && rule.names.has(decoded(name).toLowerCase());
}

function decoded(name: string): string {
  if (!name.includes('%')) return name;
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/**
 * A log line in which queries stand, in whatever form the user's log format has: wherever one starts with a question
 * mark, wherever a parameter has the name of a secret, and wherever the query of the hop itself is.
 *
 * @param query of the hop, as it came; empty where there is none
 */
export function redactLine(line: string, query: string): string {
  const shown = redactQuery(query) ?? '';
  const own = shown === query ? line : withoutOwn(line, query, shown);
  switch (rule.kind) {
    case 'all':
    case 'redact':
      return withoutNamed(own);
    case 'keep':
      return own.replace(QUERY, (_, rest: string) => `?${redactQuery(rest) ?? ''}`);
    case 'none':
      return own.replace(QUERY, '');
    default:
      return rule.kind satisfies never;
  }
}

/** A question mark, and everything up to what can end a query in a log line. */
const QUERY = /\?((?:\\.|[^\s"'\\])*)/g;

/** As `%[query]` and the like have it, and escaped as in structured data or JSON. */
function withoutOwn(line: string, query: string, shown: string): string {
  let result = line;
  for (const form of new Set([query, query.replace(/["\\\]]/g, '\\$&')])) {
    let from = 0;
    for (let at = result.indexOf(form); at !== -1; at = result.indexOf(form, from)) {
      const end = at + form.length;
      // A short query, as a number, could match anywhere.
      if (isBorder(result[at - 1]) && isBorder(result[end])) {
        result = result.slice(0, at) + shown + result.slice(end);
        from = at + shown.length;
      } else from = end;
    }
  }
  return result;
}

function isBorder(character: string | undefined): boolean {
  return character === undefined || /[\s"'\\?=#:,|{}()[\]<>]/.test(character);
}

const NAME_START = /[\s"'&;?=]/;
const VALUE = /(?:\\.|[^\s"'&\\])*/y;
/** What may stand in front of a name in a log line. */
const BEFORE_NAME = /^.*[{}()[\]|<>,:]/;
/** Whatever is longer is no name. */
const MAX_NAME_LENGTH = 128;

function withoutNamed(line: string): string {
  let result = '';
  let start = 0;
  for (let equals = line.indexOf('='); equals !== -1; equals = line.indexOf('=', equals + 1)) {
    const name = nameBefore(line, equals);
    if (!isSecret(name) && !isSecret(name.replace(BEFORE_NAME, ''))) continue;
    VALUE.lastIndex = equals + 1;
    VALUE.test(line);
    const end = VALUE.lastIndex;
    result += line.slice(start, equals + 1) + REDACTED;
    start = end;
    equals = end - 1;
  }
  return start === 0 ? line : result + line.slice(start);
}

function nameBefore(line: string, equals: number): string {
  const least = Math.max(0, equals - MAX_NAME_LENGTH);
  let start = equals;
  while (start > least && !NAME_START.test(line[start - 1] ?? '')) start -= 1;
  return line.slice(start, equals);
}
