import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { LineCounter as LineCounterType, Node, Pair, Scalar } from 'yaml';
import { errorText } from '../error-text.ts';
import { UsageError } from '../settings.ts';

/**
 * One value of a YAML file, and where it is. A scalar is its text with variables replaced; its type is decided by the
 * rule that reads it, as a commit id may look like a number.
 */
export type YamlValue = {
  /** As `a.b[0].c`; empty for the whole file. */
  readonly key: string;
  /** The file and the line. */
  readonly where: string;
} & (
  | { readonly kind: 'empty' }
  | { readonly kind: 'scalar'; readonly text: string }
  | { readonly kind: 'list'; readonly items: readonly YamlValue[] }
  | { readonly kind: 'mapping'; readonly entries: readonly (readonly [string, YamlValue])[] }
);

/** The value of an environment variable. */
type Variable = (name: string) => string | undefined;

/** Values of a file, at most: one that aliases make endless, or nearly so, is not read to the end. */
const MAX_VALUES = 2_000;

/**
 * @param variable what `${NAME}` stands for
 * @throws UsageError that names the line when the file cannot be read or is no YAML; it repeats nothing of the file
 */
export function readYaml(path: string, variable: Variable): YamlValue {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const reason = errorText(error);
    throw new UsageError(`the file of OTEL_CONFIG_FILE cannot be read: ${reason}`);
  }
  // Loaded only where there is such a file.
  const yaml: typeof import('yaml') = createRequire(import.meta.url)('yaml');
  const { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } = yaml;
  const lines: LineCounterType = new LineCounter();
  const document = parseDocument(text, {
    version: '1.2',
    prettyErrors: false,
    lineCounter: lines,
  });
  const lineOf = (position = 0): string => `${path}, line ${lines.linePos(position).line}`;
  const [error] = document.errors;
  if (error !== undefined) {
    throw new UsageError(`${lineOf(error.pos[0])}: ${error.message.split('\n')[0]}`);
  }

  let values = 0;
  const read = (node: unknown, key: string, parent: string): YamlValue => {
    const resolved = isAlias(node) ? node.resolve(document) : node;
    const position = (node as Node | null)?.range?.[0];
    const where = position === undefined ? parent : lineOf(position);
    values += 1;
    if (values > MAX_VALUES)
      throw new UsageError(`${where}: at most ${MAX_VALUES} values are accepted`);
    if (isMap(resolved)) {
      return {
        kind: 'mapping',
        key,
        where,
        entries: resolved.items.map((pair: Pair<unknown, unknown>) => {
          const name = String(isScalar(pair.key) ? pair.key.value : pair.key);
          const own = isScalar(pair.key) && pair.key.range ? lineOf(pair.key.range[0]) : where;
          const below = key === '' ? name : `${key}.${name}`;
          return [name, read(pair.value, below, own)];
        }),
      };
    }
    if (isSeq(resolved)) {
      const items = resolved.items.map((item, index) => read(item, `${key}[${index}]`, where));
      return { kind: 'list', key, where, items };
    }
    if (isScalar(resolved)) return scalarOf(resolved, key, where, variable);
    return { kind: 'empty', key, where };
  };
  return read(document.contents, '', `${path}, line 1`);
}

function scalarOf(scalar: Scalar, key: string, where: string, variable: Variable): YamlValue {
  const isPlain = scalar.type === 'PLAIN';
  const text = substitute(
    scalar.source ?? String(scalar.value ?? ''),
    `${where}: ${key}`,
    variable,
  );
  const isEmpty = isPlain && (text === '' || (scalar.value === null && text === scalar.source));
  return isEmpty ? { kind: 'empty', key, where } : { kind: 'scalar', key, where, text };
}

/** `${NAME}`, `${env:NAME}`, and either with `:-` and what stands for an empty one; `$$` is a `$`. */
function substitute(text: string, where: string, variable: Variable): string {
  return text.replace(/\$\$|\$\{([^{}]*)\}/g, (all: string, content: string | undefined) => {
    if (content === undefined) return all === '$$' ? '$' : all;
    const [, name, fallback = ''] =
      /^(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s.exec(content) ?? [];
    if (name === undefined) {
      throw new UsageError(`${where}: \${NAME} or \${NAME:-default} is accepted`);
    }
    return variable(name) || fallback;
  });
}
