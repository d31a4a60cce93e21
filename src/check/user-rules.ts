import { isPublic, parseAddress } from '../haproxy/addresses.ts';
import { backendsOf, type ProxySection } from '../haproxy/proxies.ts';
import type { Statement } from '../haproxy/statements.ts';
import type { Wired } from '../wiring/wire.ts';
import { type Finding, type FindingCode, finding } from './finding.ts';
import type { Subject } from './subject.ts';

/** What the user's rules may set: all other variables are the agent's and those of the lines. */
const SETTABLE = ['trust', 'ratio', 'route', 'request_id'];

/** What a user can do around the lines that undoes them. */
export function checkRules(
  { clean, plan, options }: Wired,
  { current, files }: Subject,
): Finding[] {
  const findings = new Map<string, Finding>();
  const add = (
    code: FindingCode,
    section: string,
    at: Statement,
    what: string,
    why: string,
  ): void => {
    const key = `${code} ${at.file}:${at.line}`;
    if (!findings.has(key))
      findings.set(key, finding(code, section, files.placeOf(at), { what, why }));
  };
  for (const { proxy, reporting, trust } of plan.frontends) {
    if (reporting?.kind !== 'http') continue;
    const section = `${proxy.kind} ${proxy.name}`;
    for (const statement of [proxy, ...backendsOf(proxy, clean.proxies)].flatMap(
      (each) => each.statements,
    )) {
      for (const [code, what, why] of ruleFindings(statement))
        add(code, section, statement, what, why);
    }
    const hidden = proxy.statements.find(
      ({ words }) => words[0] === 'http-request' && words[1] === 'set-src',
    );
    if (hidden !== undefined && (trust === 'private' || typeof trust !== 'string')) {
      add(
        'trust-hidden',
        section,
        hidden,
        "the address that is trusted is not the client's",
        'When it is decided whose trace is continued "src" is still what is in front of HAProxy: its clients are all trusted, or none.',
      );
    }
    const bind = proxy.statements.find(
      ({ words }) => words[0] === 'bind' && isEdge(words[1] ?? ''),
    );
    if (bind !== undefined && options.trust === 'continue') {
      add(
        'trust-everybody',
        section,
        bind,
        'anybody can continue a trace here',
        'Whoever reaches this address chooses trace ids and what is sampled.',
      );
    }
    const skipping = inheritedAccept(proxy, current);
    if (skipping !== undefined) {
      add(
        'rules-skipped',
        section,
        skipping,
        'this rule of "defaults" ends what would decide whose trace is continued',
        'It runs before the rules of the frontend: nobody is trusted where it holds.',
      );
    }
  }
  const unset = current.proxies
    .flatMap(({ statements }) => statements)
    .find((line) => line.unset.some((name) => name.startsWith('OTEL_RECORD_')));
  if (unset !== undefined) {
    findings.set(
      'record-unset',
      finding('record-unset', '', unset, {
        what: `${unset.unset.join(', ')} is not set any more`,
        why: 'Something between its block and this line takes it away, as "unsetenv" or "resetenv" do: records are empty.',
      }),
    );
  }
  const attributes = current.environment.get('OTEL_ATTRIBUTES');
  if (attributes !== undefined && !/^(\s*[^\s="\]]+="(\\.|[^"\\])*"\s*)*$/.test(attributes)) {
    const at = { file: current.files[0] ?? '', line: 1 };
    findings.set(
      'attributes-form',
      finding('attributes-form', 'global', at, {
        what: `OTEL_ATTRIBUTES is ${attributes}`,
        why: 'It stands in each record: name="value", with blanks between them, is accepted.',
        lines: ['setenv OTEL_ATTRIBUTES \'name="%{+E}[var(txn.name)]"\''],
      }),
    );
  }
  return [...findings.values()];
}

type Said = readonly [code: FindingCode, what: string, why: string];

function ruleFindings({ words }: Statement): Said[] {
  const [keyword = '', action = '', name = ''] = words;
  const isConditional = words.includes('if') || words.includes('unless');
  const found: Said[] = [];
  if (keyword === 'http-request' && /^trace(parent|state)$/i.test(name)) {
    const header = name.toLowerCase();
    if (/^del-/.test(action))
      found.push([
        'header-removed',
        `${header} is removed`,
        'The servers behind start traces of their own: right for those of others, wrong for your own.',
      ]);
    else if (isConditional)
      found.push([
        'header-conditional',
        `${header} is written by a rule of your own`,
        'Where its condition holds the server gets another context than that of the span; HAProxy has always set one before.',
      ]);
    else if (/^add-/.test(action))
      found.push([
        'header-added',
        `a second ${header} is added`,
        'The server gets two, and starts a trace of its own.',
      ]);
    else if (/^(set|replace)-/.test(action))
      found.push([
        'header-overwritten',
        `${header} is overwritten`,
        'The spans of the server are not below those of HAProxy.',
      ]);
  }
  for (const word of words) {
    const variable = /^(?:un)?set-var(?:-fmt)?\(txn\.otel\.([a-z_0-9]+)/.exec(word)?.[1];
    if (variable === undefined) continue;
    if (keyword.startsWith('http-') && (variable === 'trust' || variable === 'ratio'))
      found.push([
        'trust-late',
        `txn.otel.${variable} is set when the agent was asked already`,
        `The filter asks before http-request rules run: "tcp-request content ${words.slice(1).join(' ')}" is in time.`,
      ]);
    else if (RESERVED.includes(variable))
      found.push([
        'variable-overwritten',
        `txn.otel.${variable} is set by a rule of your own`,
        `It is part of the record; yours to set are ${SETTABLE.map((each) => `txn.otel.${each}`).join(', ')}, and names of your own.`,
      ]);
  }
  if (keyword === 'log-steps' || action === 'do-log')
    found.push([
      'record-steps',
      'lines are written at other steps than the end, too',
      'From HAProxy 3.1 on each of them is a record: a hop is reported more than once.',
    ]);
  return found;
}

const RESERVED = [
  'hop',
  'traceparent',
  'tracestate',
  'received',
  'answered',
  'asked',
  'wait',
  'request',
  'target',
  'record',
  'reported',
  'server_tls',
  'silent',
];

/** A rule of the user's defaults that ends the evaluation before rules that stand in the frontend itself. */
function inheritedAccept(proxy: ProxySection, current: Subject['current']): Statement | undefined {
  const now = current.proxies.find(({ kind, name }) => kind === proxy.kind && name === proxy.name);
  const own = now?.own.some(({ words }) =>
    words.some((word) => word.startsWith('set-var(txn.otel.received')),
  );
  if (!own) return undefined;
  const inherited = now?.statements.slice(0, now.statements.length - now.own.length);
  return inherited?.find(
    ({ words: [keyword, when, action] }) =>
      keyword === 'tcp-request' && when === 'content' && action === 'accept',
  );
}

function isEdge(addresses: string): boolean {
  return addresses.split(',').some((address) => isPublic(parseAddress(address)));
}
