#!/usr/bin/env node
import { Agent } from './agent.ts';
import { type CommandLine, loadConfig, parseCommandLine } from './config.ts';
import { createLogger } from './log.ts';
import { ConfigError } from './settings.ts';
import { isTool, runTool } from './tools.ts';
import { VERSION } from './version.ts';

const ExitCode = { OK: 0, FAILED: 1, USAGE: 2 } as const;

const HELP = `haproxy-otel-spoa ${VERSION}: OpenTelemetry tracing for HAProxy

Usage: haproxy-otel-spoa [run] [flags]      speak SPOP with HAProxy, export spans
       haproxy-otel-spoa demo [--once]      HAProxy, a server, the agent and a receiver, on this machine
       haproxy-otel-spoa snippet [flags]    print the lines that a configuration of HAProxy needs
       haproxy-otel-spoa check [FILE ...]   say what is missing or wrong in it
       haproxy-otel-spoa verify URL         send one request through HAProxy and see what becomes of it

Flags, each also an environment variable:
  --spop ADDRESS       HAPROXY_OTEL_SPOP     where HAProxy asks          127.0.0.1:12345
  --records ADDRESS    HAPROXY_OTEL_RECORDS  where its ring sends to     127.0.0.1:12346
  --log-level LEVEL    OTEL_LOG_LEVEL        silent, error, warn, info, debug, trace   info
  --help, --version    snippet, check and verify have a --help of their own

ADDRESS is host:port, unix:/path or fd:N. Where spans go, which are kept and what they are called is set
by OpenTelemetry's own variables, as OTEL_EXPORTER_OTLP_ENDPOINT; the README has the whole list.
`;

async function main(): Promise<void> {
  const [command, ...rest] = process.argv.slice(2);
  if (command !== undefined && isTool(command)) {
    process.exitCode = await runTool(command, rest, process.env);
    return;
  }
  const commandLine = parseCommandLine(process.argv.slice(2));
  if (commandLine.help) {
    process.stdout.write(HELP);
    return;
  }
  if (commandLine.version) {
    process.stdout.write(`${VERSION}\n`);
    return;
  }
  switch (commandLine.command) {
    case 'run':
      return run(commandLine);
    case 'demo': {
      const { demo } = await import('./demo/demo.ts');
      return demo({ once: commandLine.once });
    }
    default:
      throw new ConfigError(
        `unknown command "${commandLine.command}": run, demo, snippet, check or verify is accepted`,
      );
  }
}

async function run(commandLine: CommandLine): Promise<void> {
  const config = loadConfig({ ...process.env, ...commandLine.settings });
  const log = createLogger(config.logLevel, { thread: 'main' });
  const agent = await Agent.start(config, log, (reason) => {
    log.fatal({ reason }, 'telemetry thread died');
    process.exit(ExitCode.FAILED);
  });
  let stopping = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stopping) {
      log.warn({ signal }, 'second signal, ending at once');
      process.exit(ExitCode.FAILED);
    }
    stopping = true;
    log.info({ signal }, 'stopping');
    agent.stop().then(
      () => process.exit(ExitCode.OK),
      (error: unknown) => {
        log.fatal({ error }, 'could not stop in order');
        process.exit(ExitCode.FAILED);
      },
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  // Said last: who waits for it may send a signal at once.
  log.info(
    { version: VERSION, pid: process.pid, spop: agent.spop, records: agent.records },
    'ready',
  );
}

try {
  await main();
} catch (error) {
  const usage = error instanceof ConfigError;
  process.stderr.write(`haproxy-otel-spoa: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = usage ? ExitCode.USAGE : ExitCode.FAILED;
}
