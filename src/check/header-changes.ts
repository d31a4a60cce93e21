import type { Statement } from '../haproxy/statements.ts';

/** Headers that carry a trace: what the server is told, and formats that may contradict it. */
export const CONTEXT_HEADERS = [
  'traceparent',
  'tracestate',
  'b3',
  'x-b3-',
  'uber-trace-id',
  'x-amzn-trace-id',
] as const;

/** `http-request` rules in the order in which they run. */
export function requestRules(statements: readonly Statement[]): Statement[] {
  return statements.filter(({ words }) => words[0] === 'http-request');
}

/** The context header that a name is, `x-b3-` standing for all of its kind; undefined for any other. */
export function isContextHeader(name = ''): (typeof CONTEXT_HEADERS)[number] | undefined {
  const lower = name.toLowerCase();
  return CONTEXT_HEADERS.find((each) =>
    each.endsWith('-') ? lower.startsWith(each) : lower === each,
  );
}

/** Whether the rule gives the header a value, whatever case its name is written in. */
export function changesHeader({ words }: Statement, header: string): boolean {
  const [, action = '', name = ''] = words;
  const lower = name.toLowerCase();
  return (
    /^(set-header|add-header|replace-header|replace-value)$/.test(action) &&
    (header.endsWith('-') ? lower.startsWith(header) : lower === header)
  );
}

/** Whether the rule removes the header, by its name or by a pattern. */
export function removesHeader({ words }: Statement, header: string): boolean {
  const [, action, name = '', flag, method = 'str'] = words;
  if (action !== 'del-header') return false;
  const lower = name.toLowerCase();
  switch (flag === '-m' ? method : 'str') {
    case 'beg':
      return header.startsWith(lower);
    case 'end':
      return header.endsWith(lower);
    case 'sub':
      return header.includes(lower);
    case 'reg':
      return matches(name, header);
    default:
      return lower === header;
  }
}

function matches(pattern: string, header: string): boolean {
  try {
    return new RegExp(pattern, 'i').test(header);
  } catch {
    return false;
  }
}

/** Whether the value comes from what the agent answered. */
export function isOfAgent({ words }: Statement): boolean {
  return words.slice(3).some((word) => word.includes('txn.otel.'));
}

/** Whether the rule runs only at times. */
export function isConditional({ words }: Statement): boolean {
  return words.includes('if') || words.includes('unless');
}
