// Child processes, and what the kernel says they used.
import { execFile, execFileSync, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const CLOCK_TICKS = Number(execFileSync('getconf', ['CLK_TCK']));

/** CPU time of all threads of a process so far, user and system, in seconds. */
export function cpuSeconds(pid) {
  const [, fields] = readFileSync(`/proc/${pid}/stat`, 'latin1').split(/\) /);
  const [user, system] = fields.split(' ').slice(11, 13).map(Number);
  return (user + system) / CLOCK_TICKS;
}

/** Resident memory of a process, in bytes; with `peak`, the most it ever was. */
export function residentBytes(pid, peak = false) {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const [, kilobytes] = status.match(peak ? /VmHWM:\s+(\d+)/ : /VmRSS:\s+(\d+)/);
  return Number(kilobytes) * 1024;
}

/** Starts a program; resolves when it printed `ready`. */
export async function startProgram(program, args) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface(child.stdout)) if (line === 'ready') return child;
  throw new Error(`${program} did not start`);
}

/** Starts the agent; `lines` are its log. */
export async function startAgent(
  env,
  execArgv = process.env.PERF_BASIC ? process.env.PERF_BASIC.split(' ') : [],
) {
  const child = fork(new URL('../dist/main.js', import.meta.url), ['run'], {
    execArgv,
    stdio: ['ignore', process.env.GCLOG ? (await import('node:fs')).openSync(process.env.GCLOG, 'w') : 'inherit', 'pipe', 'ipc'],
    env: { ...process.env, ...env },
  });
  const lines = [];
  createInterface(child.stderr).on('line', (line) => lines.push(JSON.parse(line)));
  while (!lines.some(({ msg }) => msg === 'ready')) {
    await Promise.race([once(child.stderr, 'data'), once(child, 'exit')]);
    if (child.exitCode !== null) throw new Error(`the agent ended: ${JSON.stringify(lines)}`);
  }
  return { child, lines };
}

/** Starts one of this folder's own scripts; resolves with its first message. */
export async function startScript(name) {
  const child = fork(new URL(name, import.meta.url));
  const [hello] = await once(child, 'message');
  return { child, hello };
}

/** Asks a script; resolves with its answer. */
export async function ask({ child }, question) {
  child.send(question);
  const [answer] = await once(child, 'message');
  return answer;
}

export async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}

export const run = promisify(execFile);
