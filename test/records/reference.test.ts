import { expect, test } from 'vitest';
import { structuredData } from '../../src/records/format.ts';
import {
  type Kind,
  RECORD_VERSION,
  type Row,
  TABLE,
  valueIn,
  type Way,
} from '../../src/records/table.ts';

const COLUMNS: readonly (readonly [string, Kind, Way])[] = [
  ['HTTP, from 3.1 on', 'http', 'profile'],
  ['HTTP, before', 'http', 'format'],
  ['HTTP, with the reply', 'http', 'reply'],
  ['TCP', 'tcp', 'profile'],
];

const code = (text: string): string => (text === '' ? '' : `\`${text.replaceAll('|', '\\|')}\``);

function tableOf(rows: readonly Row[], isPlace: boolean): string {
  const head = [isPlace ? 'Place' : 'Parameter', ...(isPlace ? ['Name'] : [])];
  const columns = [...head, ...COLUMNS.map(([title]) => title), 'What it is'];
  const lines = rows.map((row, index) => [
    ...(isPlace ? [String(index + 2)] : []),
    code(row.name),
    ...COLUMNS.map(([, kind, way]) => code(valueIn(row, kind, way) ?? '')),
    row.means.replaceAll('|', '\\|'),
  ]);
  return [columns, columns.map(() => '---'), ...lines]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
}

const of = (...places: readonly Row['in'][]): Row[] =>
  TABLE.filter((row) => places.includes(row.in));

const PAGE = `# The fields of the record of a hop

What HAProxy reports of each finished hop: structured data (RFC 5424) beside the log line that you have, written by the lines
of \`haproxy-otel-spoa add\`. The first parameter is named by the kind of hop, \`http\` or \`tcp\`, and its first word is the
version of this table, ${RECORD_VERSION}; behind it HAProxy's own values stand by their place. What a client controls stands in
parameters of its own, with a backslash before \`"\`, \`\\\` and \`]\`.

\`\`\`text
${structuredData('http', 'format')}
\`\`\`

An empty cell: records of this kind have \`-\` there, or not the parameter.

## By place

${tableOf(of('place'), true)}

## Read when the request has come

${tableOf(of('request'), false)}

## Where rules of your own make a difference

${tableOf(of('noted'), false)}

## Read when the record is written

${tableOf(of('parameter', 'last'), false)}

## Where a step of a log profile, the environment or your own parameters have it

${tableOf(of('own'), false)}

This page is written by a test: \`npm run vitest -- test/records/reference.test.ts -u\`.
`;

test('the reference has what the table of the record has', async () => {
  expect(TABLE.every(({ means }) => means !== '')).toBe(true);
  await expect(PAGE).toMatchFileSnapshot('../../docs/record-fields.md');
});
