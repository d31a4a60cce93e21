import type { Statement } from '../haproxy/statements.ts';

/** The worst first. */
export const SEVERITY_ORDER = ['error', 'warning', 'hint'] as const;
export type Severity = (typeof SEVERITY_ORDER)[number];

/**
 * Everything that `check` can find, by names that scripts may rely on. An error costs spans or breaks traces, a
 * warning does so at times, a hint may be as it is meant.
 */
export const SEVERITIES = {
  'haproxy-too-old': 'error',
  'haproxy-refuses': 'error',
  'haproxy-warns': 'hint',
  'condition-undecided': 'hint',
  'line-unreadable': 'hint',
  'managed-elsewhere': 'hint',

  'nothing-traced': 'error',
  'lines-foreign': 'error',
  'lines-differ': 'warning',
  'frontend-untraced': 'hint',
  'hop-unseen': 'hint',
  'records-unsampled': 'hint',
  'engine-file-missing': 'error',
  'engine-file-differs': 'warning',

  'agent-address': 'error',
  'agent-chroot': 'error',
  'agent-socket-access': 'error',
  'records-address': 'error',
  'records-chroot': 'error',
  'records-socket-access': 'error',
  'records-datagrams': 'hint',
  'records-twice': 'warning',
  'record-unset': 'error',
  'attributes-form': 'error',
  'frame-size': 'warning',

  'header-overwritten': 'error',
  'header-added': 'error',
  'header-removed': 'hint',
  'header-conditional': 'hint',
  'variable-overwritten': 'error',
  'trust-late': 'error',
  'trust-everybody': 'hint',
  'trust-hidden': 'warning',
  'rules-skipped': 'warning',
  'headers-skipped': 'error',
  'record-skipped': 'hint',
} as const satisfies Record<string, Severity>;

export type FindingCode = keyof typeof SEVERITIES;

/** A finding about one line. */
export type LineFinding = readonly [code: FindingCode, what: string, why: string];

/** Where something is, or should be; without a line it is about the whole file. */
export type Position = Pick<Statement, 'file'> & { readonly line: number | undefined };

export type Finding = {
  readonly code: FindingCode;
  readonly severity: Severity;
  /** Of the configuration: `frontend www`; empty where it is none. */
  readonly section: string;
  readonly file: string;
  /** Undefined where it is about the whole file. */
  readonly line: number | undefined;
  readonly what: string;
  readonly why: string;
  /** To add, or to write in place of what is there. */
  readonly lines: readonly string[];
};

/** @param lines to add, or to write in place of what is there */
export function finding(
  code: FindingCode,
  section: string,
  { file, line }: Position,
  what: string,
  why: string,
  lines: readonly string[] = [],
): Finding {
  return { code, severity: SEVERITIES[code], section, file, line, what, why, lines };
}
