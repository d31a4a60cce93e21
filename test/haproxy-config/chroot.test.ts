import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { Chain } from '../haproxy/chain.ts';
import { both, type Edit } from './broken.ts';
import { type CheckRun, example, replacing, runCheck, without } from './run-check.ts';

const root = mkdtempSync(join(tmpdir(), 'haproxy-otel-chroot-'));
afterAll(() => rmSync(root, { recursive: true }));
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

let folders = 0;
function newFolder(): string {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  chmodSync(root, 0o755);
  chmodSync(folder, 0o755);
  return folder;
}

/** Both listeners of the agent on unix sockets. */
function overUnix(spop: string, records: string, ...global: readonly string[]): Edit {
  return both(
    replacing('server agent 127.0.0.1:12345', `server agent ${spop}`),
    (text) => text.replaceAll('server agent 127.0.0.1:12346', `server agent ${records}`),
    without(/log 127|set-log-level|log-separate/),
    (text) => text.replace('global\n', ['global', ...global, ''].join('\n    ').replace(/ +$/, '')),
  );
}

function check(edit: Edit, spop: string, records: string): CheckRun {
  const folder = newFolder();
  const env = { HAPROXY_OTEL_SPOP: `unix:${spop}`, HAPROXY_OTEL_RECORDS: `unix:${records}` };
  return runCheck(folder, example(folder, edit), { env, args: ['--haproxy-version', '9.9'] });
}

const codes = ({ report }: CheckRun): string[] => report.findings.map(({ code }) => code);

async function socketAt(path: string, mode: number): Promise<void> {
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  chmodSync(path, mode);
}

describe('check knows the jail', () => {
  const edit = (...global: readonly string[]): Edit =>
    overUnix('unix@/run/spop', '/run/records', ...global);

  test('which path HAProxy opens is named', () => {
    const run = check(edit('chroot /var/lib/haproxy'), '/run/spop', '/run/records');
    expect(codes(run).sort()).toEqual(['agent-chroot', 'ring-chroot']);
    const [ring, agent] = run.report.findings;
    expect(ring?.what).toContain('HAProxy opens /var/lib/haproxy/run/records');
    expect(agent?.what).toContain('HAProxy opens /var/lib/haproxy/run/spop');
    expect(agent?.lines[0]).toContain('HAPROXY_OTEL_SPOP=unix:/var/lib/haproxy/run/spop');
    expect(run.exitCode).toBe(1);
  });

  test('nothing is wrong without one, or where the agent listens in it', () => {
    expect(codes(check(edit(), '/run/spop', '/run/records'))).toEqual([]);
    expect(codes(check(edit('chroot /'), '/run/spop', '/run/records'))).toEqual([]);
    expect(codes(check(edit('chroot /jail'), '/jail/run/spop', '/jail/run/records'))).toEqual([]);
  });

  test('another path in the jail is another path', () => {
    const run = check(edit('chroot /jail'), '/jail/run/other', '/jail/run/records');
    expect(codes(run)).toEqual(['agent-port']);
  });

  test('abstract sockets are no files', () => {
    const abstract = overUnix('abns@spop', 'abns@records', 'chroot /var/lib/haproxy');
    expect(codes(check(abstract, '/run/spop', '/run/records'))).toEqual([]);
  });

  test.each([
    [0o666, ['user nobody', 'group nogroup'], []],
    [0o660, ['user nobody', 'group nogroup'], ['agent-socket-access']],
    [0o660, ['uid 65534', 'gid 65534'], ['agent-socket-access']],
    [0o660, ['user nobody', `gid ${process.getgid?.()}`], []],
    [0o600, [`uid ${process.getuid?.()}`], []],
    [0o600, [], []],
  ])('a socket of mode %o, and %o', async (mode, global, expected) => {
    const folder = newFolder();
    const [spop, records] = [join(folder, 'spop'), join(folder, 'records')];
    await socketAt(spop, mode);
    await socketAt(records, 0o666);
    const run = check(overUnix(`unix@${spop}`, `unix@${records}`, ...global), spop, records);
    expect(codes(run)).toEqual(expected);
  });

  test('a directory that does not let HAProxy pass', async () => {
    const folder = newFolder();
    const inner = join(folder, 'inner');
    mkdirSync(inner);
    const [spop, records] = [join(inner, 'spop'), join(folder, 'records')];
    await socketAt(spop, 0o666);
    await socketAt(records, 0o666);
    chmodSync(inner, 0o700);
    const edits = overUnix(`unix@${spop}`, `unix@${records}`, 'user nobody', 'group nogroup');
    const run = check(edits, spop, records);
    expect(codes(run)).toEqual(['agent-socket-access']);
    expect(run.report.findings[0]?.what).toContain(`${inner} does not let it pass`);
  });
});

/** Only root may change its root. */
describe.runIf(process.getuid?.() === 0)('the real HAProxy in a jail', () => {
  async function isAway(inJail: boolean): Promise<unknown> {
    const jail = newFolder();
    const path = join(root, `spop-${folders}`);
    mkdirSync(join(jail, root), { recursive: true });
    const spop = inJail ? join(jail, path) : path;
    const chain = await Chain.start({
      agentEnv: { HAPROXY_OTEL_SPOP: `unix:${spop}` },
      editConfig: (config, ports) =>
        config
          .replace('global\n', `global\n    chroot ${jail}\n`)
          .replace(`server agent 127.0.0.1:${ports.spop}`, `server agent unix@${path}`),
    });
    try {
      const { traceId } = await chain.get('/jailed');
      return (await chain.hop(traceId)).server.attributes['haproxy.agent_away'];
    } finally {
      await chain.stop();
    }
  }

  test('opens the socket of a server in it, and nowhere else', async () => {
    expect(await isAway(true)).toBeUndefined();
    expect(await isAway(false)).toBe(true);
  }, 60_000);
});
