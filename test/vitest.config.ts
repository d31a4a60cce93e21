import { defineConfig } from 'vitest/config';

const CHAOS = 'test/chaos/chaos.test.ts';

/**
 * Tests that need the machine for themselves: they count under load, build the package, install it, or use the ports
 * and files of the demo and of README.
 */
const ALONE = [
  CHAOS,
  'test/{demo,haproxy,shipped/debian,systemd,verify}/*.test.ts',
  'test/end-to-end/c*.test.ts',
  'test/admin/page.test.ts',
  'test/check/large.test.ts',
  'test/shipped/{engine,example,npm-package,readme*,setup,ten-minutes}.test.ts',
];

/** Tests that boot a machine with systemd in namespaces of its own. */
const NEED_ROOT = ['test/shipped/debian/{package,ten-minutes}.test.ts'];
const left = process.getuid?.() === 0 ? [] : NEED_ROOT;
if (left.length > 0)
  console.warn(`Not run, as a machine is booted by root only: ${left.join(', ')}`);

const SHARED = {
  testTimeout: 180_000,
  hookTimeout: 180_000,
  // Where Debian has HAProxy, and a user without root does not look.
  env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
};

/** Most others wait, for processes to start and for time-outs to end: three at a time. */
// biome-ignore lint/style/noDefaultExport: vitest reads no other.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...SHARED,
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: ALONE,
          maxWorkers: 3,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...SHARED,
          name: 'alone',
          include: ALONE,
          exclude: [...left, ...(process.env.CHAOS_MINUTES === '0' ? [CHAOS] : [])],
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
