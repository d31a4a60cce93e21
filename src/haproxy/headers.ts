import type { Statement } from './statements.ts';

/** Whether the rule sets the header, in any case; a name that ends in `-` is a prefix. */
export function changesHeader(
  { words: [, action = '', name = ''] }: Statement,
  header: string,
): boolean {
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
