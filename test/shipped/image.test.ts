import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, normalize } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { freePort } from '../../src/demo/ports.ts';
import { VERSION } from '../../src/version.ts';
import { until } from '../agent-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-image-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('the image', () => {
  const instructions = readFileSync(join(PACKAGE_ROOT, 'Dockerfile'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line): readonly [string, string] => [
      line.split(' ', 1)[0] ?? '',
      line.slice(line.indexOf(' ') + 1),
    ]);
  const stages = instructions.flatMap(([name], index) => (name === 'FROM' ? [index] : []));
  const argumentOf = (wanted: string): string =>
    instructions.findLast(([name]) => name === wanted)?.[1] ?? '';

  /** Paths of the packages that are needed to run, by the lock file. */
  const needed = (): string[] => {
    const { packages } = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package-lock.json'), 'utf8'));
    return Object.keys(packages).filter(
      (path) => /^node_modules\/(@[^/]+\/)?[^/]+$/.test(path) && packages[path].dev !== true,
    );
  };

  /** Packages are neither fetched nor removed again, which the test of the npm package does: those that are there serve. */
  const cheap = (command: string): string => {
    if (command.startsWith('npm ci ')) {
      return `${command} --dry-run --offline && ln -s ${PACKAGE_ROOT}/node_modules .`;
    }
    if (command.startsWith('npm prune ')) {
      const paths = needed().join(' ');
      return `rm node_modules && (cd ${PACKAGE_ROOT} && tar -c ${paths}) | tar -x`;
    }
    return command;
  };

  test('is not run by root, and is asked for its health', () => {
    expect(stages).toHaveLength(2);
    expect(argumentOf('USER')).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(argumentOf('HEALTHCHECK')).toContain('haproxy/health.mjs');
    const { engines } = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8'));
    expect(engines.node).toBe('>=20.19');
    expect(instructions.filter(([name]) => name === 'FROM').join()).toMatch(/node:24.*nodejs24/);
  });

  test('its steps make an agent that runs, is healthy, and then is not', async () => {
    const build = join(folder, 'build');
    const app = join(folder, 'app');
    mkdirSync(build);
    mkdirSync(app);
    for (const [index, [name, rest]] of instructions.entries()) {
      const isBuild = index < (stages[1] ?? 0);
      if (name === 'RUN') {
        const run = spawnSync('sh', ['-c', cheap(rest)], { cwd: build, encoding: 'utf8' });
        expect([rest, run.status, run.status === 0 ? '' : run.stderr]).toEqual([rest, 0, '']);
      } else if (name === 'COPY') {
        const words = rest.split(' ').filter((word) => !word.startsWith('--'));
        const target = words.pop() ?? '';
        const from = isBuild ? PACKAGE_ROOT : build;
        for (const source of words) {
          const path = source.replace(/^\/build\//, '');
          const into = join(
            isBuild ? build : app,
            target.endsWith('/') ? `${target}${basename(path)}` : target,
          );
          expect(spawnSync('cp', ['-a', join(from, path), into]).status).toBe(0);
        }
      }
    }
    expect(existsSync(join(app, 'node_modules/vitest'))).toBe(false);
    const [program, ...args] = JSON.parse(argumentOf('ENTRYPOINT'));
    const [prober, ...probe] = JSON.parse(argumentOf('HEALTHCHECK').replace(/^.* CMD /, ''));
    expect([program, prober]).toEqual(['/nodejs/bin/node', '/nodejs/bin/node']);
    const [spop, records, admin] = [await freePort(), await freePort(), await freePort()];
    const env = {
      HAPROXY_OTEL_SPOP: `127.0.0.1:${spop}`,
      HAPROXY_OTEL_RECORDS: `127.0.0.1:${records}`,
      HAPROXY_OTEL_ADMIN: `127.0.0.1:${admin}`,
      OTEL_TRACES_EXPORTER: 'none',
    };
    const health = (): number | null =>
      spawnSync(process.execPath, probe, { cwd: app, env }).status;
    expect(health()).toBe(1);
    const child = spawn(process.execPath, args, { cwd: app, env, stdio: 'ignore' });
    try {
      await until('health', () => health() === 0);
    } finally {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      expect((await exited)[0]).toBe(0);
    }
    expect(health()).toBe(1);
  }, 180_000);
});

describe('compose.yaml', () => {
  const { services } = parse(readFileSync(join(PACKAGE_ROOT, 'compose.yaml'), 'utf8'));

  test('names what is there', () => {
    expect(Object.keys(services).sort()).toEqual(['agent', 'collector', 'haproxy', 'jaeger']);
    const mounts = Object.values(services as Record<string, { volumes?: string[] }>).flatMap(
      ({ volumes = [] }) => volumes.map((volume) => volume.split(':')[0] ?? ''),
    );
    expect(mounts).toHaveLength(2);
    for (const mount of mounts) {
      expect(existsSync(join(PACKAGE_ROOT, normalize(mount)))).toBe(true);
    }
    expect(services.agent).toMatchObject({
      image: `haproxy-otel-spoa:${VERSION}`,
      network_mode: 'service:haproxy',
    });
    const collector = readFileSync(join(PACKAGE_ROOT, 'haproxy/compose/collector.yaml'), 'utf8');
    const configuration = parse(collector);
    const { traces } = configuration.service.pipelines;
    for (const kind of ['receivers', 'processors', 'exporters']) {
      expect(Object.keys(configuration[kind]).sort()).toEqual([...traces[kind]].sort());
    }
    const [exporter] = traces.exporters;
    expect(configuration.exporters[exporter].endpoint).toBe('jaeger:4317');
    expect(services.agent.environment.OTEL_EXPORTER_OTLP_ENDPOINT).toBe('http://collector:4317');
  });
});
