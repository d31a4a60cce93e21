import fc from 'fast-check';

/** Directives that any proxy may have, in any order: the lines around them are what matters. */
const COMMON = [
  'option httplog',
  'option tcplog',
  'option dontlognull',
  'option dontlog-normal',
  'option logasap',
  'option forwardfor',
  'log global',
  'log 127.0.0.1:5140 local3',
  'log 127.0.0.1:5140 len 4096 format rfc5424 local4',
  'log 127.0.0.1:5141 sample 1:2 local1 notice',
  'no log',
  'log-format "%ci %ST %{+Q}r"',
  'log-format "%ci:%cp %B %tsc"',
  `log-format-sd '[a@1 b="%ST"]'`,
  'maxconn 100',
  'timeout client 5s',
  'timeout server 5s',
  'timeout connect 5s',
  'compression algo gzip',
  'tcp-request inspect-delay 1s',
];
const RULES = [
  'tcp-request content accept if HTTP',
  'http-request set-log-level silent if { path /healthz }',
  'http-request set-log-level notice if { method POST }',
  'http-request set-header X-A b',
  'http-request set-header X-Request-ID %[uuid()] unless { req.hdr(x-request-id) -m found }',
  'http-request deny if { path /no }',
  'http-response set-header X-C d',
  'http-after-response set-header X-E f',
];
const FRONTEND = [
  'bind 127.0.0.1:24999',
  'tcp-request connection accept if { src 127.0.0.1 }',
  'unique-id-format %[uuid()]',
  'unique-id-header X-Request-ID',
  'filter compression',
  'filter trace',
  'http-request set-src req.hdr(x-real-ip)',
  'http-request cache-use small',
  'default_backend app',
  'use_backend app if { path_beg /a }',
];
const NOISE = ['', '# a comment', '\t# >>> not ours', '    # "quoted # text"'];
const CONDITIONS = [
  'version_atleast(2.7)',
  'version_before(3.1)',
  'streq("a","a")',
  '!streq("a","a")',
];

const indents = fc.constantFrom('', '    ', '\t', '  ');
const linesOf = (directives: readonly string[]): fc.Arbitrary<string[]> =>
  fc
    .array(
      fc.oneof(
        { weight: 6, arbitrary: fc.constantFrom(...directives).map((line) => [line]) },
        { weight: 1, arbitrary: fc.constantFrom(...NOISE).map((line) => [line]) },
        {
          weight: 1,
          arbitrary: fc
            .tuple(fc.constantFrom(...CONDITIONS), fc.constantFrom(...directives), fc.boolean())
            .map(([condition, line, other]) => [
              `.if ${condition}`,
              line,
              ...(other ? ['.else', 'maxconn 7'] : []),
              '.endif',
            ]),
        },
      ),
      { maxLength: 7 },
    )
    .map((groups) => groups.flat());

type Kind = 'defaults' | 'frontend' | 'listen' | 'backend';

const section = fc.record({
  kind: fc.constantFrom<Kind>('defaults', 'frontend', 'frontend', 'listen', 'backend'),
  isNamed: fc.boolean(),
  inherits: fc.boolean(),
  isHttp: fc.boolean(),
  hasRules: fc.boolean(),
  isGuarded: fc.nat(9).map((number) => number === 0),
  indent: indents,
  common: linesOf(COMMON),
  rules: linesOf(RULES),
  special: linesOf(FRONTEND),
  tail: fc.constantFrom('', '', ' # shop', '  '),
});

/** Texts of a configuration in one or two files, which HAProxy may or may not accept. */
export const configurations: fc.Arbitrary<string[]> = fc
  .record({
    sections: fc.array(section, { minLength: 1, maxLength: 6 }),
    hasGlobal: fc.boolean(),
    newline: fc.constantFrom('\n', '\n', '\n', '\r\n'),
    cut: fc.nat(8),
  })
  .map(({ sections, hasGlobal, newline, cut }) => {
    const blocks = [
      ...(hasGlobal ? [['global', '    log 127.0.0.1:5142 local0', '    maxconn 100', '']] : []),
      ['cache small', '    total-max-size 4', ''],
    ];
    let named: string | undefined;
    sections.forEach((each, index) => {
      const { kind, isNamed, inherits, isHttp, hasRules, isGuarded, indent, tail } = each;
      const from = inherits && named !== undefined ? ` from ${named}` : '';
      const name = kind === 'defaults' && !isNamed ? '' : ` ${kind[0]}${index}`;
      const lines = [
        ...(isHttp ? ['mode http'] : []),
        ...each.common,
        ...(kind === 'backend' || !hasRules ? [] : each.rules),
        ...(kind === 'frontend' || kind === 'listen' ? each.special : []),
      ].map((line) => (line === '' || line.startsWith('.') ? line : `${indent}${line}`));
      const block = [`${kind}${name}${from}${tail}`, ...lines, ''];
      blocks.push(isGuarded ? ['.if streq("a","a")', ...block, '.endif'] : block);
      if (kind === 'defaults' && isNamed && !hasRules) named = `d${index}`;
    });
    blocks.push(['backend app', '    mode http', '    server s 127.0.0.1:24998']);
    const at = Math.max(1, Math.min(cut, blocks.length));
    return [blocks.slice(0, at), blocks.slice(at)]
      .filter((part) => part.length > 0)
      .map((part) =>
        part
          .flat()
          .map((line) => `${line}${newline}`)
          .join(''),
      );
  });
