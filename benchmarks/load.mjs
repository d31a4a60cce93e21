// Load from Debian's generators, bounded in time, on loopback.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './processes.mjs';
import { histogramOf, percentilesOf } from './spread.mjs';

const CONNECTIONS = 32;

/** As many requests as are answered; `header` is one that all of them have. */
export async function fullSpeed(port, seconds, header) {
  const { stdout } = await run('wrk', [
    '--threads=1',
    `--connections=${CONNECTIONS}`,
    `--duration=${seconds}s`,
    ...(header === undefined ? [] : ['--header', header]),
    `http://127.0.0.1:${port}/bench?user=7`,
  ]);
  const [, requests] = /(\d+) requests in/.exec(stdout);
  const [, failed = 0] = /Non-2xx or 3xx responses: (\d+)/.exec(stdout) ?? [];
  const [, rate] = /Requests\/sec:\s+([\d.]+)/.exec(stdout);
  return { requests: Number(requests), failed: Number(failed), rate: Number(rate) };
}

/**
 * h2load's clients send on a tick of 10 ms that starts when they connect: 7 ms apart they are spread over it. Clients
 * that connect together send 32 requests at a time, and what is measured is their queue.
 */
const CONNECT_APART = ['--rate=1', '--rate-period=7ms'];

/** A fixed rate; latencies in milliseconds. */
export async function fixedRate(port, rate, seconds) {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  const log = join(folder, 'log');
  await run('h2load', [
    '--h1',
    `--clients=${CONNECTIONS}`,
    `--rps=${rate / CONNECTIONS}`,
    `--requests=${rate * seconds}`,
    ...CONNECT_APART,
    `--log-file=${log}`,
    `http://127.0.0.1:${port}/bench?user=7`,
  ]);
  // A line a request: when it was sent, its status, and how long it took in microseconds.
  const lines = readFileSync(log, 'latin1').trim().split('\n');
  rmSync(folder, { recursive: true });
  const answered = lines.map((line) => line.split('\t').map(Number));
  const latencies = answered.map(([, , microseconds]) => microseconds / 1000);
  return {
    requests: answered.length,
    failed: answered.filter(([, status]) => status !== 200).length,
    ...percentilesOf(histogramOf(latencies)),
  };
}
