import { BlockList, isIP } from 'node:net';
import { parseHostAndPort, targetOf, withoutBrackets, withoutUserInfo } from '../endpoint.ts';
import { isLoopback } from '../listen-address.ts';
import { decodePercent, type Env, notAccepted } from '../settings.ts';
import type { OtlpProtocol, ProxyConfig } from '../telemetry/config.ts';

type Variables = { readonly proxy: readonly string[]; readonly exceptions: readonly string[] };

/** Those that gRPC has, in its order, whether the receiver is asked over TLS or not. */
const OF_GRPC: Variables = {
  proxy: ['grpc_proxy', 'https_proxy', 'http_proxy'],
  exceptions: ['no_grpc_proxy', 'no_proxy', 'NO_PROXY'],
};

/** Those that HTTP clients have, by the scheme of the URL. */
const OF_HTTP = {
  proxy: { http: ['http_proxy', 'HTTP_PROXY'], https: ['https_proxy', 'HTTPS_PROXY'] },
  exceptions: ['no_proxy', 'NO_PROXY'],
} as const;

function variablesFor(protocol: OtlpProtocol, endpoint: string): Variables {
  if (protocol === 'grpc') return OF_GRPC;
  const scheme = /^https:/i.test(endpoint) ? 'https' : 'http';
  return { proxy: OF_HTTP.proxy[scheme], exceptions: OF_HTTP.exceptions };
}

/**
 * The proxy through which the receiver at `endpoint` is connected to; none for this host itself.
 *
 * @throws UsageError when it would be used and is not `http://host:port`
 */
export function readProxy(
  env: Env,
  endpoint: string,
  protocol: OtlpProtocol = 'grpc',
): ProxyConfig | undefined {
  const variables = variablesFor(protocol, endpoint);
  const variable = variables.proxy.find((name) => env[name]?.trim());
  if (variable === undefined || /^unix(-abstract)?:/.test(endpoint)) return undefined;
  const { hostname, port } = new URL(`http://${targetOf(endpoint)}`);
  const host = bareHost(hostname);
  if (isThisHost(host) || isExcepted(host, port, readExceptions(env, variables))) return undefined;

  const text = env[variable]?.trim() ?? '';
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const user = decodePercent(url?.username ?? '');
  const password = decodePercent(url?.password ?? '');
  const known = user !== undefined && password !== undefined;
  if (url?.protocol !== 'http:' || url.hostname === '' || !known) {
    throw notAccepted(
      variable,
      withoutUserInfo(text),
      `http://host:port, or the receiver's name in no_proxy,`,
    );
  }
  return {
    variable,
    address: `${url.hostname}:${url.port || 80}`,
    credentials: user === '' ? undefined : password === '' ? user : `${user}:${password}`,
  };
}

function readExceptions(env: Env, { exceptions }: Variables): string[] {
  const name = exceptions.find((each) => env[each]?.trim());
  return (name === undefined ? '' : (env[name] ?? '')).toLowerCase().split(/[\s,]+/);
}

function bareHost(hostname: string): string {
  return withoutBrackets(hostname).replace(/\.$/, '').toLowerCase();
}

/** What is sent to an unspecified address gets to this host, too. */
function isThisHost(host: string): boolean {
  return isLoopback(host) || ['0.0.0.0', '::'].includes(host) || host.endsWith('.localhost');
}

/** As curl reads `no_proxy`: a name is excepted with all names below it; `*`, addresses, networks and ports too. */
function isExcepted(host: string, port: string, exceptions: readonly string[]): boolean {
  return exceptions.some((exception) => {
    if (exception === '') return false;
    if (exception === '*') return true;
    const [network = '', prefix] = exception.split('/');
    if (prefix !== undefined) return isInNetwork(host, network, Number(prefix));
    const only = parseHostAndPort(exception) ?? { host: exception, port: undefined };
    if (only.port !== undefined && only.port !== Number(port)) return false;
    const bare = bareHost(only.host).replace(/^\*?\./, '');
    return host === bare || (isIP(host) === 0 && host.endsWith(`.${bare}`));
  });
}

function isInNetwork(host: string, network: string, prefix: number): boolean {
  const family = isIP(network);
  if (family === 0 || family !== isIP(host)) return false;
  if (!(prefix >= 0 && prefix <= (family === 4 ? 32 : 128))) return false;
  const list = new BlockList();
  list.addSubnet(network, prefix, familyOf(network));
  return list.check(host, familyOf(host));
}

function familyOf(host: string): 'ipv4' | 'ipv6' {
  return isIP(host) === 4 ? 'ipv4' : 'ipv6';
}
