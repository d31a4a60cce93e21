import { UsageError } from '../settings.ts';
import type { YamlValue } from './yaml-file.ts';

/** Settings of the agent that a file has, and the keys that they came from. */
export class FileSettings {
  readonly values: Record<string, string> = {};
  /** Key and place of each. */
  readonly sources = new Map<string, string>();

  set(setting: string, value: string, { where, key }: YamlValue): void {
    this.values[setting] = value;
    this.sources.set(setting, `${where}: ${key}`);
  }
}

/** Reads one value of the file into settings. @throws UsageError that names the key */
export type Rule = (value: YamlValue, settings: FileSettings) => void;

export type Rules = Readonly<Record<string, Rule>>;

export function refuse({ where, key }: YamlValue, accepts: string): UsageError {
  return new UsageError(`${where}: ${key === '' ? 'the file' : key}: ${accepts}`);
}

/** A mapping with these keys and no other; `required` ones have to be there. */
export function mapping(rules: Rules, required: readonly string[] = []): Rule {
  return (value, settings) => {
    const names = entriesOf(value).map(([name]) => name);
    const missing = required.find((name) => !names.includes(name));
    if (missing !== undefined) throw refuse(value, `${missing} is missing`);
    for (const [name, below] of entriesOf(value)) {
      const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
      if (rule === undefined) {
        throw refuse(below, `the agent has no such setting: ${namesOf(rules)} accepted here`);
      }
      rule(below, settings);
    }
  };
}

/** A mapping with just one of these keys. */
export function oneOfKeys(rules: Rules): Rule {
  return (value, settings) => {
    if (entriesOf(value).length !== 1) {
      throw refuse(value, `one of ${Object.keys(rules).join(', ')} is accepted`);
    }
    mapping(rules)(value, settings);
  };
}

/** A list with one item: the agent has one of each. */
export function onlyItem(rule: Rule): Rule {
  return (value, settings) => {
    const [item, second] = itemsOf(value);
    if (item === undefined) throw refuse(value, 'a list with one item is accepted');
    if (second !== undefined) throw refuse(second, 'the agent has one: no second is accepted');
    rule(item, settings);
  };
}

/** For keys without any meaning to the agent, as that of a default. */
export const nothing: Rule = mapping({});

export function text(setting: string): Rule {
  return typed(setting, 'text is accepted', (written) => written);
}

export function boolean(setting: string): Rule {
  return typed(setting, 'true or false is accepted', (written) =>
    /^(true|false)$/i.test(written) ? written.toLowerCase() : undefined,
  );
}

export function integer(setting: string): Rule {
  return typed(setting, 'a whole number from 0 on is accepted', (written) =>
    /^\d{1,15}$/.test(written) ? String(Number(written)) : undefined,
  );
}

export function ratio(setting: string): Rule {
  return typed(setting, 'a number from 0 to 1 is accepted', (written) =>
    Number(written) >= 0 && Number(written) <= 1 ? written : undefined,
  );
}

/** One of the names, each with what the agent's setting has for it. */
export function named(setting: string, names: Readonly<Record<string, string>>): Rule {
  const keys = Object.keys(names);
  const accepts = `${keys.length === 1 ? 'only' : 'one of'} ${keys.join(', ')} is accepted`;
  return typed(setting, accepts, (written) =>
    Object.hasOwn(names, written) ? names[written] : undefined,
  );
}

/** A key that makes a choice by being there: `setting` has `value` then. */
export function chosen(setting: string, value: string, rule: Rule): Rule {
  return (node, settings) => {
    settings.set(setting, value, node);
    rule(node, settings);
  };
}

/** A value that is not set is the same as none. */
function typed(
  setting: string,
  accepts: string,
  parse: (text: string) => string | undefined,
): Rule {
  return (value, settings) => {
    const written = textOf(value);
    if (written === undefined) return;
    const parsed = parse(written);
    if (parsed === undefined) throw refuse(value, `${accepts}, not "${written}"`);
    settings.set(setting, parsed, value);
  };
}

/** @returns undefined where there is none */
export function textOf(value: YamlValue): string | undefined {
  switch (value.kind) {
    case 'empty':
      return undefined;
    case 'scalar':
      return value.text.trim();
    default:
      throw refuse(value, `a single value is accepted, not a ${value.kind}`);
  }
}

export function entriesOf(value: YamlValue): readonly (readonly [string, YamlValue])[] {
  if (value.kind === 'empty') return [];
  if (value.kind !== 'mapping')
    throw refuse(value, `keys with values are accepted, not a ${value.kind}`);
  return value.entries;
}

export function itemsOf(value: YamlValue): readonly YamlValue[] {
  if (value.kind === 'empty') return [];
  if (value.kind !== 'list') throw refuse(value, `a list is accepted, not a ${value.kind}`);
  return value.items;
}

function namesOf(rules: Rules): string {
  const names = Object.keys(rules);
  return names.length === 0
    ? 'nothing is'
    : `${names.join(', ')} ${names.length > 1 ? 'are' : 'is'}`;
}

/** Of an item that has a `name`, a `value`, and nothing but the keys that are accepted. */
export function nameAndValue(
  item: YamlValue,
  keys: readonly string[],
): { readonly name: string; readonly text: string } {
  const entries = new Map(entriesOf(item));
  for (const [name, below] of entries) {
    if (!keys.includes(name)) throw refuse(below, `${keys.join(', ')} are accepted here`);
  }
  const [name, value] = ['name', 'value'].map((key) => entries.get(key));
  const named = name === undefined ? undefined : textOf(name);
  if (!named) throw refuse(item, 'name is missing');
  return { name: named, text: value === undefined ? '' : (textOf(value) ?? '') };
}
