import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { freePort } from '../../src/demo/ports.ts';
import { AgentProcess, until } from '../agent-process.ts';
import { Chain, type Response } from '../end-to-end/chain.ts';
import { OtlpReceiver } from '../otlp-receiver.ts';
import { hopOf, octetCounted, recordLine } from '../records/lines.ts';
import { adminOf } from './admin-request.ts';
import { launch, open, type WatchedPage } from './browser.ts';

/** Written for people to look at. */
const SHOTS = join(PACKAGE_ROOT, '.cache/page');

const HOSTILE = '<img src=x onerror="globalThis.pwned=1">\'"`{{7*7}}&lt;\u202e';

let chain: Chain;
let browser: Browser;
let slow: Response;
let failed: Response;
let url: string;

beforeAll(async () => {
  [chain, browser] = await Promise.all([
    Chain.start({
      agentEnv: {
        HAPROXY_OTEL_ADMIN: '127.0.0.1:0',
        HAPROXY_OTEL_TRACE_URL: 'https://tracing.example/trace/{traceId}?from=page',
        OTEL_TRACES_EXPORTER: 'none',
      },
      site: (config, ports) =>
        config
          // The one that leaves does so before its time is over, however busy the machine is.
          .replace('timeout server 5s', 'timeout server 60s')
          .replace(/^backend app$/m, `$&\n    server app2 127.0.0.1:${ports.server}`),
    }),
    launch(),
  ]);
  const where = adminOf(chain.agent);
  url = `http://127.0.0.1:${'port' in where ? where.port : 0}/`;
  await mixedTraffic();
});

afterAll(async () => {
  await browser?.close();
  await chain?.stop();
});

/** Normal, slow, 5xx, aborted, retried and denied ones. */
async function mixedTraffic(): Promise<void> {
  const ordinary = Array.from({ length: 24 }, (_, i) =>
    chain.get(`/api/item?page=${i}&sig=topsecret`),
  );
  // One of them leaves, once the server has all that come to it at once.
  const before = chain.server.requests;
  const hasAll = (): boolean => chain.server.requests >= before + ordinary.length + 6;
  const [late, error] = await Promise.all([
    chain.get('/api/report?delay=2500'),
    chain.get('/error'),
    chain.get('/nowhere'),
    chain.get('/forbidden'),
    chain.get('/refused'),
    chain.get('/missing'),
    chain.get('/api/export?delay=300'),
    chain.get('/api/leaves?delay=40000', { abortOnce: hasAll }).catch(() => undefined),
    chain.get(`/hostile/${encodeURI(HOSTILE)}?x=${encodeURIComponent(HOSTILE)}`, {
      headers: { 'user-agent': HOSTILE.replace('\u202e', ''), host: 'shop.example' },
    }),
    ...ordinary,
  ]);
  slow = late;
  failed = error;
}

const lineOf = (page: Page, traceId: string) => page.locator(`.hop[data-trace="${traceId}"]`);

/** Waits until the trace id is in the clipboard, and the page has confirmed it. */
async function copied(page: Page, traceId: string): Promise<void> {
  await until('the copy', async () => {
    return (await page.evaluate('navigator.clipboard.readText()')) === traceId;
  });
  await until('the toast', async () => {
    return (await page.locator('#toast').textContent()) === `Copied ${traceId}`;
  });
}

/** Waits until the page has shown as many events of the agent. */
async function updates(page: Page, count: number): Promise<void> {
  const facts = page.locator('#facts');
  for (let seen = 0; seen < count; seen += 1) {
    const before = await facts.textContent();
    await until('what the agent sends next', async () => (await facts.textContent()) !== before);
  }
}

async function withPage(
  use: (watched: WatchedPage) => Promise<void>,
  options: Parameters<typeof open>[2] = {},
): Promise<void> {
  const watched = await open(browser, url, options);
  try {
    await watched.page.locator('.hop').first().waitFor();
    await use(watched);
    expect(watched.complaints).toEqual([]);
    expect(watched.foreign).toEqual([]);
  } finally {
    await watched.page.context().close();
  }
}

describe('searching for the slow request', () => {
  test('finds it among the slowest, reads its phases, filters to it and copies its trace id', async () => {
    await withPage(async ({ page }) => {
      const line = page.locator('.hops-slow .hop').first();
      await until(
        'the slow request',
        async () => (await line.getAttribute('data-trace')) === slow.traceId,
      );
      await line.locator('.head').click();
      const server = line.locator('.waterfall tr[data-phase="response"]');
      expect(await server.locator('th').textContent()).toBe('server');
      expect(await server.locator('.number').textContent()).toMatch(
        /^(2\.[5-9]|[3-9]|\d\d)[\d.]* s$/,
      );
      const phases = await line.locator('.waterfall th').allTextContents();
      expect(phases).toEqual(['request', 'agent', 'queue', 'connect', 'server', 'transfer']);
      expect(await line.locator('.details').textContent()).toContain(slow.traceId);

      await line.locator('.copy').click();
      await copied(page, slow.traceId);

      await page
        .getByLabel('Trace id', { exact: false })
        .first()
        .fill(`00-${slow.traceId}-00f067aa0ba902b7-01`);
      await until('only that one', async () => (await page.locator('.hop').count()) === 1);
      expect(await page.locator('.hop').getAttribute('data-trace')).toBe(slow.traceId);
      await page.waitForURL(`**/#trace=${slow.traceId}`);
      const link = page.locator('.hop').getByRole('link', { name: 'Open the trace' });
      expect(await link.getAttribute('href')).toBe(
        `https://tracing.example/trace/${slow.traceId}?from=page`,
      );
      expect(await link.getAttribute('rel')).toBe('noopener noreferrer');
      // The address keeps the filter.
      await page.reload();
      await until('the same one', async () => (await page.locator('.hop').count()) === 1);
    });
  });

  test('is warned of what is no trace id, and shown no hop in its place', async () => {
    await withPage(async ({ page }) => {
      const hops = page.locator('.hop');
      const search = page.getByLabel('Trace id', { exact: false }).first();
      const note = page.locator('#hops .empty');
      await until('all of them', async () => (await hops.count()) > 10);
      await search.fill('order-4711');
      await until('none', async () => (await hops.count()) === 0);
      const warning =
        '"order-4711" is no trace id: 32 hexadecimal digits, or how they begin, are searched for.';
      await until('the note', async () => (await note.textContent()) === warning);
      await until('it to be shown', () => note.isVisible());
      expect(await search.getAttribute('aria-invalid')).toBe('true');
      // It stays so when the next hops come.
      await updates(page, 2);
      expect(await hops.count()).toBe(0);
      await search.fill('ffffffffffff');
      await until('the other note', async () => {
        return (await note.textContent()) === 'No recent hop is like that.';
      });
      await search.fill('');
      await until('all of them again', async () => (await hops.count()) > 10);
      await until('the note to go', async () => !(await note.isVisible()));
      // One that is open stays, and the note with it.
      await hops.first().locator('.head').click();
      await search.fill('xyz');
      await until('the open one', async () => (await hops.count()) === 1);
      await until('the note beside it', () => note.isVisible());
      await search.fill(slow.traceId);
      await until('the slow one', async () => !(await note.isVisible()));
    });
  });

  test('sees nothing of what is typed before all of it is', async () => {
    await withPage(async ({ page }) => {
      const search = page.getByLabel('Trace id', { exact: false }).first();
      // As between two keys: the page learns of it with the next one.
      await search.evaluate((field: { value: string }) => {
        field.value = 'order-47';
      });
      const before = await page.locator('.hop').count();
      await updates(page, 2);
      expect(await page.locator('.hop').count()).toBeGreaterThanOrEqual(before);
      expect(await page.locator('#hops .empty').isVisible()).toBe(false);
      expect(await search.getAttribute('aria-invalid')).not.toBe('true');
      await search.dispatchEvent('input');
      await page.getByText('"order-47" is no trace id').waitFor();
      expect(await search.getAttribute('aria-invalid')).toBe('true');
    });
  });

  test('with the keyboard alone', async () => {
    await withPage(async ({ page }) => {
      await page.keyboard.press('/');
      await page.keyboard.type(slow.traceId.slice(0, 12));
      await until('only that one', async () => (await page.locator('.hop').count()) === 1);
      await page.keyboard.press('Escape');
      await page.waitForURL(`**/#trace=${slow.traceId.slice(0, 12)}`);
      await page.keyboard.press('j');
      await page.keyboard.press('Enter');
      await page.locator('.hop.open .waterfall').waitFor();
      await page.keyboard.press('c');
      await copied(page, slow.traceId);
      await page.keyboard.press('x');
      await until('all of them', async () => (await page.locator('.hop').count()) > 10);
      // What was opened stays open, and where the keyboard was it is.
      expect(await page.locator('.hop.open').getAttribute('data-trace')).toBe(slow.traceId);
      await page.keyboard.press('p');
      await page.locator('#lamp-feed', { hasText: 'paused' }).waitFor();
      await page.keyboard.press('p');
      await page.locator('#lamp-feed', { hasText: 'live' }).waitFor();
      await page.keyboard.press('?');
      await page.getByRole('dialog').waitFor();
      await page.keyboard.press('Escape');
      const theme = () => page.evaluate('document.documentElement.dataset.theme');
      await page.keyboard.press('t');
      expect(await theme()).toBe('dark');
      await page.keyboard.press('t');
      expect(await theme()).toBe('light');
    });
  });
});

test('failed hops stand first, each with why; the others where they belong', async () => {
  await withPage(async ({ page }) => {
    for (const path of ['/error', '/nowhere', '/api/leaves']) {
      await page.locator('.hops-errors .hop', { hasText: path }).waitFor();
    }
    const errors = (await page.locator('.hops-errors .head').allTextContents()).join('\n');
    expect(errors).toMatch(/\/nowhere.*no server/);
    expect(errors).toMatch(/\/api\/leaves.*client abort/);
    expect(errors).not.toContain('/forbidden');
    expect(
      await page
        .locator('.hops-latest .hop', { hasText: '/forbidden' })
        .locator('.badge')
        .textContent(),
    ).toBe('403');
    expect(
      await page.locator('.hop', { hasText: '/refused' }).locator('.retries').textContent(),
    ).toMatch(/^[12] retr(y|ies), other server$/);
    const groups = await page.locator('#hops h3:visible').allTextContents();
    expect(groups).toEqual(['Failed', 'Slowest', 'Latest']);
  });
});

test('filters by status, backend and server, and by a press on a server', async () => {
  await withPage(async ({ page }) => {
    const shown = async () => {
      const lines = await page.locator('.hop .where').allTextContents();
      return [...new Set(lines)].sort();
    };
    await page.getByRole('combobox', { name: 'Status' }).selectOption('5xx');
    await until('the 5xx', async () => (await page.locator('.hop').count()) === 2);
    expect(await lineOf(page, failed.traceId).count()).toBe(1);
    await page.getByRole('button', { name: 'Clear' }).click();
    await page.getByRole('combobox', { name: 'Backend' }).selectOption('refused');
    await until('that backend', async () => (await shown()).join() === 'refused / app1');
    await page.getByRole('button', { name: 'Clear' }).click();
    await page.locator('#traffic').getByRole('button', { name: 'app2', exact: true }).click();
    await until('that server', async () => (await shown()).join() === 'app / app2');
    expect(await page.getByRole('combobox', { name: 'Server' }).inputValue()).toBe('app2');
    await page.getByRole('button', { name: 'Clear' }).click();
    await page.locator('.hop', { hasText: '/refused' }).locator('.head').click();
    await page.getByRole('button', { name: 'Only this server' }).click();
    await until('that one', async () => (await shown()).join() === 'refused / app1');
  });
});

test('a request is on the page without anybody asking for it, and counted', async () => {
  await withPage(async ({ page }) => {
    const { traceId } = await chain.get('/api/new-one');
    await lineOf(page, traceId).waitFor();
    const backend = page.locator('#traffic tr.backend', { hasText: /^app/ });
    const hops = () => backend.locator('.hops').textContent();
    const before = Number(await hops());
    await chain.get('/api/another');
    await until('the count', async () => Number(await hops()) > before);
    await page.locator('#lamp-agent', { hasText: 'agent ready' }).waitFor();
    await page.locator('#lamp-exporter', { hasText: 'no exporter' }).waitFor();
    expect(await page.locator('#facts').textContent()).toContain('SPOP connections');
  });
});

test('what clients write is text and nothing else; secrets are not shown', async () => {
  await withPage(async ({ page }) => {
    const line = page.locator('.hop', { hasText: '/hostile/' });
    await line.locator('.head').click();
    const details = await line.locator('.details').textContent();
    expect(details).toContain('<img src=x onerror="globalThis.pwned=1">');
    expect(await line.locator('img').count()).toBe(0);
    expect(await page.evaluate('globalThis.pwned')).toBeUndefined();
    const text = await page.locator('body').textContent();
    expect(text).toContain('sig=REDACTED');
    expect(text).not.toContain('topsecret');
  });
});

test('the picture in the documentation can be made anew', async () => {
  mkdirSync(SHOTS, { recursive: true });
  await withPage(
    async ({ page }) => {
      await page.locator('.hops-slow .head').first().click();
      await page.mouse.move(1, 1);
      const top = (await page.locator('#hops-title').boundingBox())?.y ?? 0;
      const hop = await page.locator('.hops-slow .hop').first().boundingBox();
      const clip = { x: 0, y: top, width: 1180, height: (hop?.y ?? 0) + (hop?.height ?? 0) - top };
      const path = join(SHOTS, 'readme.png');
      const picture = await page.screenshot({ path, clip, fullPage: true });
      expect(picture.length).toBeLessThan(150_000);
    },
    { viewport: { width: 1180, height: 800 } },
  );
});

test.each([
  ['light', 1440, 1000],
  ['dark', 1440, 1000],
  ['light', 390, 844],
  ['dark', 390, 844],
] as const)('%s, %d wide: nothing is cut off', async (colorScheme, width, height) => {
  mkdirSync(SHOTS, { recursive: true });
  await withPage(
    async ({ page }) => {
      await page.locator('.hops-slow .head').first().click();
      await page.mouse.move(1, 1);
      await page.screenshot({ path: join(SHOTS, `${colorScheme}-${width}.png`), fullPage: true });
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(
        width,
      );
      const dark = await page.evaluate('getComputedStyle(document.body).backgroundColor');
      expect(dark).toBe(colorScheme === 'dark' ? 'rgb(17, 21, 27)' : 'rgb(246, 247, 249)');
    },
    { colorScheme, viewport: { width, height } },
  );
});

test.each([
  ['is away', undefined, 'export fails for', 'UNAVAILABLE'],
  [
    'refuses',
    { code: status.PERMISSION_DENIED, details: 'this token has expired' },
    'receiver refuses spans',
    'this token has expired',
  ],
])(
  'a receiver that %s is shown at the top, with its message at the foot',
  async (_name, error, lamp, said) => {
    const receiver = error && (await OtlpReceiver.start({ onExport: () => error }));
    const agent = await AgentProcess.start({
      HAPROXY_OTEL_SPOP: '127.0.0.1:0',
      HAPROXY_OTEL_RECORDS: '127.0.0.1:0',
      HAPROXY_OTEL_ADMIN: '127.0.0.1:0',
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver?.endpoint ?? `http://127.0.0.1:${await freePort()}`,
      OTEL_BSP_SCHEDULE_DELAY: '10',
    });
    onTestFinished(async () => {
      await agent.end('SIGKILL');
      receiver?.stop();
    });
    const records = connect(
      Number(String(agent.logged('ready')?.records).split(':').at(-1)),
      '127.0.0.1',
    );
    records.end(octetCounted(recordLine()));
    const { page } = await open(browser, `http://${agent.logged('ready')?.admin}/`);
    await page.locator('#lamp-exporter[data-tone=bad]', { hasText: lamp }).waitFor();
    await page.locator('#facts .bad', { hasText: said }).waitFor();
    await page.context().close();
  },
);

test('a page without sampled hops shows that there are others', async () => {
  const agent = await AgentProcess.start({
    HAPROXY_OTEL_SPOP: '127.0.0.1:0',
    HAPROXY_OTEL_RECORDS: '127.0.0.1:0',
    HAPROXY_OTEL_ADMIN: '127.0.0.1:0',
    OTEL_TRACES_EXPORTER: 'none',
  });
  onTestFinished(() => void agent.end('SIGKILL'));
  const port = Number(String(agent.logged('ready')?.records).split(':').at(-1));
  const records = connect(port, '127.0.0.1');
  records.write(octetCounted(recordLine(hopOf(1, '02'))));
  const { page } = await open(browser, `http://${agent.logged('ready')?.admin}/`);
  await page.getByText('none is sampled').waitFor();
  await page.locator('#hops-note', { hasText: '1 in five minutes were not sampled' }).waitFor();
  records.write(octetCounted(recordLine(hopOf(2), { end: Date.now() * 1000 })));
  await page.locator('.hop').waitFor();
  await page.locator('#hops-note', { hasText: '50 % of all' }).waitFor();
  records.destroy();
  await page.context().close();
});

test('an agent that goes away is reported, and one that comes back is connected to', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-page-'));
  const token = 'abcdefghijklmnopqrstuvwxyz';
  writeFileSync(join(folder, 'token'), token);
  const address = `127.0.0.1:${await freePort()}`;
  const env = {
    HAPROXY_OTEL_SPOP: '127.0.0.1:0',
    HAPROXY_OTEL_RECORDS: '127.0.0.1:0',
    HAPROXY_OTEL_ADMIN: address,
    HAPROXY_OTEL_ADMIN_TOKEN_FILE: join(folder, 'token'),
    OTEL_TRACES_EXPORTER: 'none',
  };
  let agent = await AgentProcess.start(env);
  onTestFinished(async () => {
    await agent.end();
    rmSync(folder, { recursive: true });
  });
  // A browser asks its user for the token, who enters it as the password.
  const { page } = await open(browser, `http://${address}/`, {
    httpCredentials: { username: 'me', password: token },
  });
  await page.locator('#lamp-feed', { hasText: 'live' }).waitFor();
  await page.getByText('No hop yet.').waitFor();
  await agent.end('SIGKILL');
  await page.locator('#lamp-feed', { hasText: 'disconnected' }).waitFor();
  agent = await AgentProcess.start(env);
  await page.locator('#lamp-feed', { hasText: 'live' }).waitFor();
  await page.context().close();
});
