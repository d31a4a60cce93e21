import { quoted } from '../records/format.ts';
import { OPT_IN_FORMATS, OPT_IN_GROUPS, type OptInGroup } from '../records/opt-in-attributes.ts';
import type { Kind } from '../records/table.ts';
import type { Parser } from '../settings.ts';

/** Values of `add --attributes`; `none` removes those of an earlier `add`. */
export const attributesNamed: Parser<readonly OptInGroup[]> = {
  accepts: `none, or a list of ${OPT_IN_GROUPS.join(', ')}`,
  parse: (text) => {
    if (text.toLowerCase() === 'none') return [];
    const names = text.split(',').map((name) => name.trim().toLowerCase());
    const isKnown = names.every((name) => OPT_IN_GROUPS.some((choice) => choice === name));
    return isKnown ? OPT_IN_GROUPS.filter((choice) => names.includes(choice)) : undefined;
  },
};

/** Behind which a record has what is chosen: the user's own parameters. */
const OWN = `$\{OTEL_ATTRIBUTES}`;

/** A log format of a record, with what is chosen in it. */
export function withAttributes(format: string, choices: readonly OptInGroup[], kind: Kind): string {
  return format.replace(OWN, (own) => `${own}${parametersOf(choices, kind, 'format')}`);
}

/** Rules that write a record of a reply, likewise. */
export function withReplyAttributes(
  rules: readonly string[],
  choices: readonly OptInGroup[],
): readonly string[] {
  const parameters = quoted(parametersOf(choices, 'http', 'reply')).slice(1, -1);
  return rules.map((rule) => rule.replace(OWN, (own) => `${own}${parameters}`));
}

/** Rules that note what is chosen, for a proxy with `mode http`. */
export function attributeRules(choices: readonly OptInGroup[]): readonly string[] {
  return choices.flatMap((choice) => OPT_IN_FORMATS[choice].rules ?? []);
}

function parametersOf(
  choices: readonly OptInGroup[],
  kind: Kind,
  when: 'format' | 'reply',
): string {
  return choices
    .map((choice) => OPT_IN_FORMATS[choice])
    .filter(({ kinds }) => kinds.includes(kind))
    .map((written) => ` ${written.parameter}="${written[when] ?? written.format}"`)
    .join('');
}
