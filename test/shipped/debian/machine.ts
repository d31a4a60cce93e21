import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../../src/demo/haproxy.ts';
import { until } from '../../agent-process.ts';
import { OtlpReceiver } from '../../otlp-receiver.ts';

/** A load-balancer host: Debian 12 with systemd as its first process, HAProxy, and no network but its own loopback. */
export class Machine {
  /** Is `/srv` on the machine. */
  readonly shared: string;
  private readonly folder: string;
  private readonly process: ChildProcess;
  private readonly init: string;

  private constructor(folder: string, process: ChildProcess, init: string) {
    this.folder = folder;
    this.shared = `${folder}.shared`;
    this.process = process;
    this.init = init;
  }

  static async boot(): Promise<Machine> {
    const root = join(PACKAGE_ROOT, '.cache/debian-root');
    execFileSync('sh', [join(import.meta.dirname, 'make-root.sh'), root], { stdio: 'inherit' });
    const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-machine-'));
    mkdirSync(`${folder}.shared`);
    const namespaces = ['--mount', '--pid', '--fork', '--uts', '--ipc', '--cgroup', '--net'];
    const child = spawn(
      'unshare',
      [...namespaces, '--kill-child', 'sh', join(import.meta.dirname, 'boot.sh'), root, folder],
      { stdio: 'ignore' },
    );
    const init = await until(
      'the first process',
      () =>
        readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim() || undefined,
    );
    const machine = new Machine(folder, child, init);
    await until('systemd to be there', async () =>
      /running|degraded/.test((await machine.run('systemctl', 'is-system-running')).output),
    ).catch(async (error: unknown) => {
      await machine.stop();
      throw error;
    });
    return machine;
  }

  /** Runs a command there to its end; `output` is both of its streams. */
  async run(...command: string[]): Promise<{ status: number; output: string }> {
    const child = spawn(
      'nsenter',
      ['--target', this.init, '--all', '--root', '--wd', '--', ...command],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', DEBIAN_FRONTEND: 'noninteractive' },
      },
    );
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    const [status] = await once(child, 'close');
    return { status, output };
  }

  /** As `run`. @throws Error with what it printed when it fails */
  async must(...command: string[]): Promise<string> {
    const { status, output } = await this.run(...command);
    if (status !== 0) throw new Error(`${command.join(' ')} ended with ${status}: ${output}`);
    return output;
  }

  /** A receiver of spans, which everybody there reaches as `unix:///srv/otlp.sock`. */
  async receiver(): Promise<OtlpReceiver> {
    const path = join(this.shared, 'otlp.sock');
    const receiver = await OtlpReceiver.start({ path });
    chmodSync(path, 0o777);
    chmodSync(this.shared, 0o755);
    return receiver;
  }

  async stop(): Promise<void> {
    const exited = once(this.process, 'exit');
    // The end of the first process is the end of all.
    process.kill(Number(this.init), 'SIGKILL');
    await exited;
    rmSync(this.folder, { recursive: true });
    rmSync(this.shared, { recursive: true });
  }
}
