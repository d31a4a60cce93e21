// Child processes, and the CPU time and memory that they used.
import { execFile, execFileSync, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

export const run = promisify(execFile);

const CLOCK_TICKS = Number(execFileSync('getconf', ['CLK_TCK']));

/** CPU time of all threads of a process so far, user and system, in seconds. */
export function cpuSeconds(pid) {
  const [, fields] = readFileSync(`/proc/${pid}/stat`, 'latin1').split(/\) /);
  const [user, system] = fields.split(' ').slice(11, 13).map(Number);
  return (user + system) / CLOCK_TICKS;
}

/** Resident memory of a process, in MiB. */
export function residentMemory(pid) {
  const [, kilobytes] = readFileSync(`/proc/${pid}/status`, 'latin1').match(/VmRSS:\s+(\d+)/);
  return Number(kilobytes) / 1024;
}

/** Starts a program; resolves when it printed `ready`. */
export async function startProgram(program, args) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface(child.stdout)) if (line === 'ready') return child;
  throw new Error(`${program} did not start`);
}

/** Starts the agent; resolves when it is ready. `lines` are its log. `main` is that of another build. */
export async function startAgent(
  env,
  execArgv = [],
  main = new URL('../dist/main.js', import.meta.url),
) {
  const child = fork(main, ['run'], {
    execArgv,
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    env: { ...process.env, HAPROXY_OTEL_ADMIN: '127.0.0.1:0', ...env },
  });
  const lines = [];
  // What it prints before it logs is no JSON.
  createInterface(child.stderr).on('line', (line) =>
    lines.push(line.startsWith('{') ? JSON.parse(line) : { msg: line }),
  );
  while (!lines.some(({ msg }) => msg === 'ready')) {
    await Promise.race([once(child.stderr, 'data'), once(child, 'exit')]);
    if (child.exitCode !== null) throw new Error(`the agent ended: ${JSON.stringify(lines)}`);
  }
  return { child, lines };
}

/** Starts one of this folder's own scripts; `hello` is its first message. */
export async function startScript(name, args = []) {
  const child = fork(new URL(name, import.meta.url), args);
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
