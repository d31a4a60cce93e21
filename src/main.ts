#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8';
import { type CommandLine, parseCommandLine } from './command-line.ts';
import { COMMANDS } from './commands.ts';
import { type Config, loadConfig } from './config/config.ts';
import { gatherSettings } from './config/settings-file.ts';
import { summarize } from './config/summary.ts';
import { errorText } from './error-text.ts';
import type { Logger } from './log.ts';
import { helpOf, ToolExit } from './options.ts';
import { Reloader } from './reload.ts';
import { type Env, UsageError, type Warn } from './settings.ts';
import { isJournal } from './systemd/journal.ts';
import { Notifier } from './systemd/notifier.ts';
import { type InheritedSockets, inheritedSockets } from './systemd/sockets.ts';
import { startWatchdog, watchdogInterval } from './systemd/watchdog.ts';
import { TelemetryChannel } from './threads/telemetry-channel.ts';
import { isTool, runTool } from './tools.ts';
import { SOCKETS_VARIABLE } from './upgrade/messages.ts';
import { type Adopter, Predecessor } from './upgrade/predecessor.ts';
import { Upgrade } from './upgrade/upgrade.ts';
import { VERSION } from './version.ts';

/** Exit code of the agent. */
const AgentExit = { OK: 0, FAILED: 1, USAGE: 2 } as const;

/** How much longer than HAPROXY_OTEL_STOP_TIMEOUT systemd is to wait for the end, in milliseconds. */
const STOP_MARGIN = 5_000;

/** How long the agent waits for its last messages to systemd, in milliseconds. */
const LAST_MESSAGES = 1_000;

/**
 * Megabytes, of each thread that is started. V8 counts buffers to the heap, and its first limit follows what
 * survives, which is almost nothing here: at that limit, the batches alone would cause several collections of the
 * whole heap a second.
 */
const HEAP_BEFORE_COLLECTION = 24;

/**
 * By how many per cent a thread's heap grows beyond what survived a collection until the next collection of all of it.
 * Buffers that were read or exported count too, and V8's own choice is 20 here: full collections, which cost a sixth of the
 * agent's CPU, would follow the rate of requests.
 */
const HEAP_GROWTH = 100;

/** What can be done, and the options of `run`. */
const help = (): string => {
  const names = Object.keys(COMMANDS) as (keyof typeof COMMANDS)[];
  const commands = names.map((name) => `  ${name.padEnd(7)} ${COMMANDS[name].summary}\n`).join('');
  return `haproxy-otel-spoa ${VERSION}: OpenTelemetry tracing for HAProxy\n\nCommands, each with a --help of its own; run if none is named:\n${commands}\n${helpOf('run', COMMANDS.run)}`;
};

async function main(): Promise<void> {
  const [command, ...rest] = process.argv.slice(2);
  if (command !== undefined && isTool(command)) {
    // An uncaught error must not exit with the code for findings.
    process.on('uncaughtException', (error) => {
      printError(error);
      process.exit(ToolExit.FAILED);
    });
    process.exitCode = await runTool(command, rest, process.env);
    return;
  }
  const commandLine = parseCommandLine(process.argv.slice(2));
  if (commandLine.help) {
    const { command: name } = commandLine;
    process.stdout.write(name === 'run' ? help() : helpOf(name, COMMANDS[name]));
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
      commandLine.command satisfies never;
  }
}

async function run(commandLine: CommandLine): Promise<void> {
  // Warnings before there is a logger.
  const early: Parameters<Warn>[] = [];
  let warn: Warn = (...warning) => early.push(warning);
  const warnNow: Warn = (...warning) => warn(...warning);
  const gather = (): Env => gatherSettings(process.env, commandLine.settings, warnNow);
  const host = {
    // Those of a predecessor were for this process, too.
    sockets: inheritedSockets(
      predecessor === undefined ? process.env : { ...process.env, LISTEN_PID: `${process.pid}` },
      process.pid,
    ),
    journal: isJournal(process.env),
  };
  const env = gather();
  const load = (settings: Env): Config => loadConfig(settings, host, warnNow);
  const loaded = load(env);
  const config = predecessor?.passSockets(loaded) ?? loaded;
  setFlagsFromString(`--initial-old-space-size=${HEAP_BEFORE_COLLECTION}`);
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH}`);
  // The thread starts first, as it needs the longest: the rest is loaded meanwhile.
  const telemetry = new TelemetryChannel(
    config.telemetry,
    config.threadEnv,
    predecessor !== undefined,
  );
  const [{ createLogger }, { Agent }] = await Promise.all([
    import('./log.ts'),
    import('./agent.ts'),
  ]);
  const log = createLogger(config.logLevel, { thread: 'main' }, host.journal);
  warn = (setting, reason) => log.warn({ setting, reason }, 'a setting needs attention');
  for (const warning of early) warn(...warning);
  warnOfUnused(env, host.sockets, log);
  const notifier = Notifier.create(process.env, (reason) =>
    log.error({ reason }, 'systemd cannot be notified'),
  );
  const reloader = new Reloader(env, config, {
    gather,
    load,
    log,
    notifier,
  });
  process.on('SIGHUP', () => reloader.request());
  let stopping = false;
  const upgrade = new Upgrade({
    env: process.env,
    systemd: Object.values(host.sockets),
    log,
    end: (isOrderly) => {
      stopping = true;
      end(isOrderly ? AgentExit.OK : AgentExit.FAILED);
    },
  });
  process.on('SIGUSR2', () => upgrade.request());
  void telemetry.died.then((reason) => {
    // Without the telemetry thread no span is exported: a supervisor has to restart the agent.
    log.fatal({ reason, ...telemetry.lastCounts }, 'telemetry thread died');
    process.exit(AgentExit.FAILED);
  });
  const former = predecessor && {
    ready: async () => {
      // For systemd the end of its main process is the end of the service: it has to know the next one before.
      const known = await notifier?.deliver(`MAINPID=${process.pid}`, 'READY=1');
      if (known === false) throw new Error('systemd cannot be notified of the successor');
      await predecessor.ready();
    },
    adopt: (adopter: Adopter) => predecessor.adopt(adopter),
  };
  const agent = await Agent.start(config, telemetry, log, former);
  const end = (code: number): void => {
    const stopped = agent.stop().then(() => notifier?.close(LAST_MESSAGES));
    stopped.then(
      () => process.exit(code),
      (error: unknown) => {
        log.fatal({ err: error }, 'could not stop in order');
        process.exit(AgentExit.FAILED);
      },
    );
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stopping) {
      log.warn({ signal, ...agent.lastCounts }, 'second signal, ending at once');
      process.exit(AgentExit.FAILED);
    }
    stopping = true;
    if (upgrade.stop(signal)) return;
    log.info({ signal }, 'stopping');
    // A longer timeout than the unit's is granted, a shorter one changes nothing.
    const extend = (config.stopTimeout + STOP_MARGIN) * 1_000;
    notifier?.send('STOPPING=1', `EXTEND_TIMEOUT_USEC=${extend}`);
    end(AgentExit.OK);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  reloader.started((next) => agent.reload(next));
  upgrade.started(agent);
  predecessor?.done();
  const interval = watchdogInterval(process.env, process.pid);
  if (notifier !== undefined && interval !== undefined) {
    startWatchdog(
      interval,
      () => agent.ping(),
      () => notifier.send('WATCHDOG=1'),
    );
  }
  const admin = agent.admin ?? 'off';
  const where = `SPOP on ${agent.spop}, records on ${agent.records}, admin ${admin}`;
  notifier?.send(...(predecessor === undefined ? ['READY=1'] : []), `STATUS=${where}`);
  // Logged last: whoever waits for it may send a signal at once.
  log.info(
    {
      version: VERSION,
      pid: process.pid,
      spop: agent.spop,
      records: agent.records,
      admin,
      config: summarize(config),
    },
    'ready',
  );
}

/** A socket that systemd opened is used in place of an address that is set. */
function warnOfUnused(env: Env, sockets: InheritedSockets, log: Logger): void {
  for (const [name, setting] of [
    ['spop', 'HAPROXY_OTEL_SPOP'],
    ['records', 'HAPROXY_OTEL_RECORDS'],
    ['admin', 'HAPROXY_OTEL_ADMIN'],
  ] as const) {
    if (sockets[name] === undefined || env[setting] === undefined) continue;
    log.warn({ setting, socket: name }, 'setting is not used: systemd handed a socket over');
  }
}

function printError(error: unknown): void {
  const priority = isJournal(process.env) ? '<3>' : '';
  process.stderr.write(`${priority}haproxy-otel-spoa: ${errorText(error)}\n`);
}

function exitCodeFor(error: unknown): number {
  if (isTool(process.argv[2] ?? '')) return ToolExit.FAILED;
  return error instanceof UsageError ? AgentExit.USAGE : AgentExit.FAILED;
}

const predecessor = Predecessor.find(process.env);
delete process.env[SOCKETS_VARIABLE];

try {
  await main();
} catch (error) {
  // The predecessor logs it, and goes on.
  if (predecessor === undefined) printError(error);
  else await predecessor.failed(errorText(error));
  process.exitCode = exitCodeFor(error);
}
