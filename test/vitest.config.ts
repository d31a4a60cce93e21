import { defineConfig } from 'vitest/config';

/**
 * Tests that need the machine for themselves: they count under load, build the package, install it, or use the ports
 * and files of the demo and of README.
 */
const ALONE = [
  'test/{demo,haproxy,shipped/debian,systemd,verify}/*.test.ts',
  'test/end-to-end/c*.test.ts',
  'test/admin/page.test.ts',
  'test/check/large.test.ts',
  'test/shipped/{engine,example,npm-package,readme*,setup,ten-minutes}.test.ts',
];

const SHARED = { testTimeout: 60_000, hookTimeout: 60_000 };

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
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
