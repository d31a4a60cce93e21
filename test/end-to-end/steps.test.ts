import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { OtlpSpanKind } from '../../src/demo/otlp-receiver.ts';
import { until } from '../agent-process.ts';
import { Chain, VERSION } from './chain.ts';

/** `log-steps` and `do-log` are of HAProxy 3.1. */
test.skipIf(/version (2|3\.0)\./.test(VERSION))(
  'lines of other steps are the user’s alone: each hop is one record',
  async () => {
    const lines: string[] = [];
    const logger = createSocket('udp4').bind(0, '127.0.0.1');
    await once(logger, 'listening');
    logger.on('message', (line) => lines.push(String(line)));
    onTestFinished(() => {
      logger.close();
    });
    const chain = await Chain.start({
      site: (config) =>
        config.replace(
          'frontend www\n',
          `$&    log 127.0.0.1:${logger.address().port} local0
    log-format "%HU %B"
    log-steps accept,request,close
    http-request do-log if { path /two }
`,
        ),
    });
    onTestFinished(() => chain.stop());
    await chain.get('/one');
    await chain.get('/two');
    const { traceId } = await chain.get('/last');
    await chain.hop(traceId);
    const of = (path: string): number => lines.filter((line) => line.includes(path)).length;
    await until('all lines of the user', () => of('/last') > 0 && of('/two') > of('/one'));
    await chain.agent.end();
    const paths = chain
      .haproxySpans()
      .filter(({ kind }) => kind === OtlpSpanKind.SERVER)
      .map(({ attributes }) => attributes['url.path'])
      .filter((path) => path !== '/probe');
    expect(paths.sort()).toEqual(['/last', '/one', '/two']);
    const { records } = chain.agent.logged('stopped') as { records: Record<string, number> };
    expect(records.unusable).toBe(0);
  },
);
