import type { QueryRule } from '../records/redaction.ts';
import { oneOf, type Parser } from '../settings.ts';

export const queryRule: Parser<QueryRule> = {
  accepts: 'all, none, redact:NAME,NAME or keep:NAME,NAME',
  parse: (text) => {
    const plain = oneOf(['all', 'none']).parse(text);
    if (plain !== undefined) return { kind: plain };
    const [, word = '', list = ''] = /^(redact|keep):(.*)$/is.exec(text) ?? [];
    const kind = oneOf(['redact', 'keep']).parse(word);
    const names = list.split(',').map((name) => name.trim());
    const isList = names.every((name) => /^[^\s&;=?#]+$/.test(name));
    return kind !== undefined && isList ? { kind, names } : undefined;
  },
};
