// Is a hop lost at the highest rate that the machine reaches, and does the agent's memory stay what it is?
//
//     node benchmarks/endurance.mjs [seconds] [path of haproxy]
import { execFileSync } from 'node:child_process';
import { conservation } from './accounts.mjs';
import { startServer, Way } from './chain.mjs';
import { fullSpeed } from './load.mjs';
import { residentMemory } from './processes.mjs';
import { spread } from './spread.mjs';

const [, , seconds = '60', haproxy = 'haproxy'] = process.argv;
const PARTS = 10;

execFileSync('sh', [new URL('install.sh', import.meta.url).pathname], { stdio: 'inherit' });
const { server, port } = await startServer();
const way = await Way.start('all', { haproxy, server: port });
const memory = [];
const sampling = setInterval(() => {
  memory.push(residentMemory(way.agent.pid));
}, 1000);
try {
  await way.measure((at) => fullSpeed(at, 5));
  memory.length = 0;
  const { requests, rate, ...account } = await way.measure((at) => fullSpeed(at, Number(seconds)));
  console.log(
    `${requests} requests in ${seconds} s, ${Math.round(rate)} a second; ${conservation(account).sentence}`,
  );
  const size = Math.ceil(memory.length / PARTS);
  for (let part = 0; part < memory.length; part += size) {
    const values = memory.slice(part, part + size);
    const at = `${part} to ${part + values.length} s`;
    console.log(`resident memory, ${at.padEnd(14)} ${spread(values, 0)} MiB`);
  }
  if (account.arrived !== account.seen) process.exitCode = 1;
} finally {
  clearInterval(sampling);
  await way.stop();
  await server.stop();
}
