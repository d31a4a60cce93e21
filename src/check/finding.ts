import type { Statement } from '../haproxy/statements.ts';

/** The worst first. */
export const SEVERITY_ORDER = ['error', 'warning', 'hint'] as const;
export type Severity = (typeof SEVERITY_ORDER)[number];

/**
 * Everything that `check` can find, by names that scripts may rely on. An error costs spans or breaks traces, a
 * warning does so at times, a hint may be as it is meant.
 */
export const SEVERITIES = {
  'nothing-traced': 'error',
  'haproxy-refuses': 'error',
  'haproxy-warns': 'hint',
  'haproxy-too-old': 'error',
  'condition-undecided': 'hint',
  'line-unreadable': 'hint',

  'filter-missing': 'error',
  'filter-twice': 'error',
  'filter-in-tcp': 'error',
  'filter-in-backend': 'error',

  'engine-file-missing': 'error',
  'engine-file-relative': 'hint',
  'engine-missing': 'error',
  'engine-prefix': 'error',
  'engine-message-missing': 'error',
  'engine-event': 'error',
  'engine-trust-missing': 'error',
  'engine-ratio-missing': 'error',
  'engine-processing-timeout': 'error',
  'engine-processing-timeout-long': 'warning',
  'engine-hello-timeout': 'warning',
  'engine-idle-timeout': 'warning',
  'engine-error-rate': 'hint',
  'engine-finish-twice': 'error',

  'agent-backend-missing': 'error',
  'agent-backend-mode': 'error',
  'agent-backend-converted': 'hint',
  'agent-server-missing': 'error',
  'agent-check-missing': 'warning',
  'agent-spop-check-missing': 'warning',
  'agent-observe-missing': 'hint',
  'agent-port': 'error',
  'agent-chroot': 'error',
  'agent-socket-access': 'error',
  'agent-wait-missing': 'hint',
  'frame-size': 'warning',

  'log-missing': 'error',
  'log-port': 'error',
  'log-level': 'error',
  'log-sample': 'warning',
  'log-twice': 'warning',
  'log-len-small': 'error',
  'log-len-short': 'warning',
  'log-len-large': 'warning',
  'log-normal-left-out': 'error',
  'log-null': 'hint',
  'log-silent': 'hint',
  'log-datagram-missing': 'warning',
  'log-datagram-format': 'warning',
  'log-datagram-rule-missing': 'warning',
  'log-separate-errors-missing': 'warning',
  'log-format-missing': 'error',
  'log-format-unset': 'error',
  'log-format-mode': 'error',
  'log-hop-missing': 'error',
  'log-field-missing': 'error',
  'log-stopping-missing': 'warning',
  'log-json': 'error',
  'log-unquoted': 'error',
  'log-unescaped': 'error',
  'error-log-format-missing': 'hint',

  'ring-missing': 'error',
  'ring-server-missing': 'error',
  'ring-servers': 'warning',
  'ring-port': 'error',
  'ring-chroot': 'error',
  'ring-socket-access': 'error',
  'ring-octet-count': 'warning',
  'ring-maxlen-small': 'error',
  'ring-maxlen-short': 'warning',
  'ring-maxlen-large': 'warning',
  'ring-size': 'warning',

  'header-missing': 'error',
  'header-added': 'error',
  'header-early': 'error',
  'header-removed': 'error',
  'header-withheld': 'hint',
  'header-conditional': 'warning',
  'tracestate-missing': 'warning',
  'fallback-missing': 'warning',
  'trust-late': 'error',
  'ratio-late': 'error',
  'trust-missing': 'hint',
  'request-id-missing': 'hint',
  'other-formats': 'hint',
} as const satisfies Record<string, Severity>;

export type FindingCode = keyof typeof SEVERITIES;

/** Where something is, or should be. */
export type Position = Pick<Statement, 'file' | 'line'>;

export type Finding = {
  readonly code: FindingCode;
  readonly severity: Severity;
  /** Of the configuration: `frontend www`; empty where it is none. */
  readonly section: string;
  readonly file: string;
  readonly line: number;
  readonly what: string;
  readonly why: string;
  /** To add, or to write in place of what is there. */
  readonly lines: readonly string[];
};

export function finding(
  code: FindingCode,
  section: string,
  { file, line }: Position,
  text: { readonly what: string; readonly why: string; readonly lines?: readonly string[] },
): Finding {
  const { what, why, lines = [] } = text;
  return { code, severity: SEVERITIES[code], section, file, line, what, why, lines };
}
