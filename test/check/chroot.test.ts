import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { Finding } from '../../src/check/finding.ts';
import { Chain } from '../end-to-end/chain.ts';
import { patientEngine } from '../end-to-end/patient-engine.ts';
import { tool, wiring } from '../wiring/run.ts';

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

type Site = {
  readonly spop: string;
  readonly records: string;
  readonly global: readonly string[];
};

/** A site whose HAProxy is sent to two unix sockets by `add`. */
function site(spop: string, records: string, ...global: readonly string[]): Site {
  return { spop, records, global };
}

type CheckRun = { readonly findings: readonly Finding[]; readonly status: number | null };

/** What `check` finds, beside that such sockets take no datagrams, where the agent listens on these. */
function check({ spop, records, global }: Site, agentSpop: string, agentRecords: string): CheckRun {
  const folder = newFolder();
  writeFileSync(
    join(folder, 'haproxy.cfg'),
    `${['global', ...global].join('\n    ')}

defaults
    mode http
    timeout connect 2s
    timeout client 5s
    timeout server 5s

frontend www
    bind 127.0.0.1:24990
    default_backend app

backend app
    server s 127.0.0.1:24992
`,
  );
  const addresses = ['--spop', `unix:${spop}`, '--records', `unix:${records}`, '--write'];
  expect(wiring(folder, 'add', ['haproxy.cfg'], addresses)).toMatchObject({ status: 0 });
  const { status, out } = tool(
    folder,
    ['check', '--json', '--haproxy-version', '9.9', 'haproxy.cfg'],
    { HAPROXY_OTEL_SPOP: `unix:${agentSpop}`, HAPROXY_OTEL_RECORDS: `unix:${agentRecords}` },
  );
  const { findings } = JSON.parse(out) as CheckRun;
  return { status, findings: findings.filter(({ code }) => code !== 'records-datagrams') };
}

const codes = ({ findings }: CheckRun): string[] => findings.map(({ code }) => code);

async function socketAt(path: string, mode: number): Promise<void> {
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  chmodSync(path, mode);
}

describe('check knows the jail', () => {
  const edit = (...global: readonly string[]): Site => site('/run/spop', '/run/records', ...global);

  test('which path HAProxy opens is named', () => {
    const run = check(edit('chroot /var/lib/haproxy'), '/run/spop', '/run/records');
    expect(codes(run).sort()).toEqual(['agent-chroot', 'records-chroot']);
    const [ring, agent] = run.findings;
    expect(ring?.what).toContain('HAProxy opens /var/lib/haproxy/run/records');
    expect(agent?.what).toContain('HAProxy opens /var/lib/haproxy/run/spop');
    expect(agent?.lines[0]).toContain('HAPROXY_OTEL_SPOP=unix:/var/lib/haproxy/run/spop');
    expect(run.status).toBe(1);
  });

  test('nothing is wrong without one, or where the agent listens in it', () => {
    expect(codes(check(edit(), '/run/spop', '/run/records'))).toEqual([]);
    expect(codes(check(edit('chroot /'), '/run/spop', '/run/records'))).toEqual([]);
    expect(codes(check(edit('chroot /jail'), '/jail/run/spop', '/jail/run/records'))).toEqual([]);
  });

  test('another path in the jail is another path', () => {
    const run = check(edit('chroot /jail'), '/jail/run/other', '/jail/run/records');
    expect(codes(run)).toEqual(['agent-address']);
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
    const run = check(site(spop, records, ...global), spop, records);
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
    const edits = site(spop, records, 'user nobody', 'group nogroup');
    const run = check(edits, spop, records);
    expect(codes(run)).toEqual(['agent-socket-access']);
    expect(run.findings[0]?.what).toContain(`${inner} does not let it pass`);
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
      add: { spop: `unix:${path}`, engine: patientEngine(root) },
      site: (config) => config.replace('global\n', `global\n    chroot ${jail}\n`),
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
  });
});
