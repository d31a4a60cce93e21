import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { until } from '../agent-process.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A demo that can be distinguished from all else on this machine, by its environment and its folder for temporary files. */
class Demo {
  readonly process: ChildProcess;
  readonly folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-demo-'));
  output = '';
  private readonly mark = `DEMO_UNDER_TEST=${randomUUID()}`;

  constructor(command: string) {
    const [name = '', value] = this.mark.split('=');
    this.process = spawn('sh', ['-c', command], {
      cwd: PACKAGE_ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: this.folder, [name]: value },
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
    ends.push(() => {
      for (const pid of this.pids()) process.kill(pid, 'SIGKILL');
      rmSync(this.folder, { recursive: true });
    });
  }

  /** All that belongs to it and runs. */
  pids(): number[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => {
        try {
          return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(this.mark);
        } catch {
          // It ended meanwhile.
          return false;
        }
      })
      .map(Number);
  }

  printed(text: string): Promise<unknown> {
    return until(text, () => this.output.includes(text));
  }

  /** Waits for its end: its exit code, what runs of it still, and the files that it left. */
  async end(): Promise<{ code: number | null; running: number[]; files: string[] }> {
    await until('the demo to end', () => {
      return this.process.exitCode !== null || this.process.signalCode !== null;
    });
    const running = this.pids();
    return { code: this.process.exitCode, running, files: readdirSync(this.folder) };
  }
}

const NOTHING_LEFT = { code: 0, running: [], files: [] };
const DEMO = `exec ${process.execPath} dist/main.js demo`;

test.each(['SIGHUP', 'SIGTERM', 'SIGINT'] as const)(
  '%s leaves nothing of the demo',
  async (signal) => {
    const demo = new Demo(DEMO);
    await demo.printed('Send your own');
    // Itself, the agent and HAProxy.
    expect(demo.pids()).toHaveLength(3);
    demo.process.kill(signal);
    demo.process.kill(signal);
    expect(await demo.end()).toEqual(NOTHING_LEFT);
  },
);

test('SIGHUP while the demo starts leaves nothing of it', async () => {
  const demo = new Demo(DEMO);
  await until('the agent to start', () => demo.pids().length >= 2);
  demo.process.kill('SIGHUP');
  expect(await demo.end()).toEqual(NOTHING_LEFT);
});

test('a reader that goes away ends the demo, and nothing of it is left', async () => {
  const demo = new Demo(`${process.execPath} dist/main.js demo 2>&1 | head -n 5`);
  await demo.printed('OTLP receiver');
  expect(await demo.end()).toEqual(NOTHING_LEFT);
});

test('a port in use is replaced, and the demo prints it', async () => {
  const server = await new Promise<Server>((resolve) => {
    // Whoever has it already serves as well.
    const taken = createServer().once('error', () => resolve(taken));
    taken.listen(8080, '127.0.0.1', () => resolve(taken));
  });
  ends.push(() => server.close());
  const demo = new Demo(DEMO);
  await demo.printed('Ports that are in use already are replaced: ');
  const [, port] = /HAProxy http:\/\/127\.0\.0\.1:(\d+)/.exec(demo.output) ?? [];
  expect(demo.output).toMatch(new RegExp(`are replaced: (.*, )?${port} for 8080`));
  demo.process.kill('SIGTERM');
  expect(await demo.end()).toEqual(NOTHING_LEFT);
});
