// Numbers that HAProxy and the agent report.
import { connect } from 'node:net';

async function command(socketPath, text) {
  const socket = connect(socketPath);
  socket.setEncoding('utf8').end(`${text}\n`);
  let answer = '';
  for await (const part of socket) answer += part;
  return answer;
}

/**
 * What becomes of hops: all that HAProxy saw have arrived, or were dropped by it or by the agent, each by its own
 * account. `unaccounted` is what is left: lost, or there twice where it is negative.
 */
export function conservation({ seen, arrived, droppedByHaproxy, droppedByAgent }) {
  const unaccounted = seen - arrived - droppedByHaproxy - droppedByAgent;
  const sentence =
    `${seen} requests = ${arrived} hops that arrived + ${droppedByHaproxy} dropped by HAProxy + ` +
    `${droppedByAgent} dropped by the agent + ${unaccounted} unaccounted for`;
  return { unaccounted, sentence };
}

/**
 * Requests that the frontend `www` of an HAProxy has seen, by its own account on its `stats socket`. A connection
 * that ends without one, as wrk's first, is counted as a bad request, and not logged (`option dontlognull`).
 */
export async function requestsSeen(socketPath) {
  const text = await command(socketPath, 'show stat www 1 -1');
  const [names, values] = text.split('\n').map((line) => line.replace(/^# /, '').split(','));
  const [requests, bad] = ['req_tot', 'ereq'].map((name) => Number(values[names.indexOf(name)]));
  return requests - bad;
}

/**
 * The agent's metrics: records, those that HAProxy reported as dropped, spans that the agent dropped, how late
 * its event loops were, the 99th percentile of ten seconds in milliseconds, and SPOP connections.
 */
export async function agentAccount(port) {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
  const text = await answer.text();
  const sum = (name) =>
    [...text.matchAll(new RegExp(`^haproxy_otel_${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].reduce(
      (total, [, value]) => total + Number(value),
      0,
    );
  const delay = (thread) =>
    sum(`event_loop_delay_seconds\\{thread="${thread}",stat="p99"\\}`) * 1000;
  return {
    mintDelay: delay('mint'),
    telemetryDelay: delay('telemetry'),
    spopConnections: sum('spop_connections'),
    records: sum('records_total'),
    droppedByHaproxy: sum('records_dropped_by_haproxy_total'),
    droppedByAgent: sum('spans_dropped_total'),
  };
}
