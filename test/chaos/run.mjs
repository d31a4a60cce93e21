// npm run chaos -- --minutes 10 --seed 7 [--episode 3]: the same test for longer, on what was built.
import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    episode: { type: 'string', default: '0' },
  },
});
for (const [name, value] of Object.entries(values)) {
  if (!/^\d+(\.\d+)?$/.test(value)) {
    console.error(`--${name} ${value}: a number is accepted`);
    process.exit(2);
  }
}
const vitest = spawn(
  'npm',
  [
    'run',
    '--silent',
    'vitest',
    '--',
    '--disable-console-intercept',
    '--project=alone',
    'test/chaos/chaos.test.ts',
  ],
  {
    stdio: 'inherit',
    env: {
      ...process.env,
      CHAOS_MINUTES: values.minutes,
      CHAOS_SEED: values.seed,
      CHAOS_EPISODE: values.episode,
    },
  },
);
vitest.once('exit', (code) => process.exit(code ?? 1));
