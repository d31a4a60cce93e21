/** As printed by `haproxy -v`, in parts that can be compared: `3.4-dev5` is older than `3.4.0`. */
export type HaproxyVersion = {
  /** As it was written. */
  readonly text: string;
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  /** Of a development version; Infinity for a release. */
  readonly dev: number;
};

const PATTERN = /^(\d+)\.(\d+)(?:\.(\d+))?(?:-dev(\d+))?/;

/** @returns undefined for what is no version */
export function parseVersion(text: string): HaproxyVersion | undefined {
  const [, major, minor, patch, dev] = PATTERN.exec(text) ?? [];
  if (major === undefined || minor === undefined) return undefined;
  return {
    text,
    major: Number(major),
    minor: Number(minor),
    patch: Number(patch ?? 0),
    dev: dev === undefined ? Number.POSITIVE_INFINITY : Number(dev),
  };
}

/** `2.6` of `2.6.12-1+deb12u4`. */
export function branchOf({ major, minor }: HaproxyVersion): string {
  return `${major}.${minor}`;
}

/** Missing components of `text` are zero. @returns undefined where it is no version */
export function isAtLeast(version: HaproxyVersion, text: string): boolean | undefined {
  const other = parseVersion(/^\d+$/.test(text) ? `${text}.0` : text);
  if (other === undefined) return undefined;
  for (const part of ['major', 'minor', 'patch', 'dev'] as const) {
    if (version[part] !== other[part]) return version[part] > other[part];
  }
  return true;
}
