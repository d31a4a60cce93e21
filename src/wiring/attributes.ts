import { CHOICES, type Choice, WRITTEN } from '../records/chosen-attributes.ts';
import { quoted } from '../records/format.ts';
import type { Kind } from '../records/table.ts';
import type { Parser } from '../settings.ts';

/** Names of what `add --attributes` takes; `none` where an earlier `add` had some. */
export const attributesNamed: Parser<readonly Choice[]> = {
  accepts: `none, or a list of ${CHOICES.join(', ')}`,
  parse: (text) => {
    if (text.toLowerCase() === 'none') return [];
    const names = text.split(',').map((name) => name.trim().toLowerCase());
    const isKnown = names.every((name) => CHOICES.some((choice) => choice === name));
    return isKnown ? CHOICES.filter((choice) => names.includes(choice)) : undefined;
  },
};

/** Behind which a record has what is chosen: the user's own parameters. */
const OWN = `$\{OTEL_ATTRIBUTES}`;

/** A log format of a record, with what is chosen in it. */
export function withAttributes(format: string, choices: readonly Choice[], kind: Kind): string {
  return format.replace(OWN, (own) => `${own}${parametersOf(choices, kind, 'format')}`);
}

/** Rules that write a record of a reply, likewise. */
export function withReplyAttributes(
  rules: readonly string[],
  choices: readonly Choice[],
): readonly string[] {
  const parameters = quoted(parametersOf(choices, 'http', 'reply')).slice(1, -1);
  return rules.map((rule) => rule.replace(OWN, (own) => `${own}${parameters}`));
}

/** Rules that note what is chosen, for a proxy with `mode http`. */
export function attributeRules(choices: readonly Choice[]): readonly string[] {
  return choices.flatMap((choice) => WRITTEN[choice].rules ?? []);
}

function parametersOf(choices: readonly Choice[], kind: Kind, when: 'format' | 'reply'): string {
  return choices
    .map((choice) => WRITTEN[choice])
    .filter(({ kinds }) => kinds.includes(kind))
    .map((written) => ` ${written.parameter}="${written[when] ?? written.format}"`)
    .join('');
}
