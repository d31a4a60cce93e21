import { errorText } from '../error-text.ts';

/** What an error means, by its code and message, and what to do about it where a URL was asked. */
type Fault = { readonly error: RegExp; readonly text: string; readonly advice: string };

/** The first one that matches. `NAME` is what the certificate has to be for. */
// biome-ignore format: a table is read by its columns
const FAULTS: readonly Fault[] = [
  { error: /^ECONNREFUSED/, text: 'nothing listens there',
    advice: 'start HAProxy, or correct the URL' },
  { error: /^(ENOTFOUND|EAI_AGAIN)/, text: 'its name has no address here',
    advice: 'correct the URL, or have an address in it and the name in --host' },
  { error: /^(EHOSTUNREACH|ENETUNREACH|ETIMEDOUT)/, text: 'it cannot be reached',
    advice: 'correct the URL, or ask from where clients are' },
  { error: /^(ECONNRESET|EPIPE)/, text: 'it closes the connection without an answer',
    advice: "https:// asks with TLS; HAProxy's log may have why" },
  { error: /^ENOENT/, text: 'there is no such socket', advice: '' },
  { error: /^(EACCES|EPERM)/, text: 'this user may not connect to it', advice: '' },
  { error: /^HPE_/, text: 'it does not speak HTTP/1.1',
    advice: 'a frontend of mode http is needed' },
  { error: /wrong.version.number/i, text: 'it does not speak TLS',
    advice: 'http:// asks without' },
  { error: /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_UNTRUSTED)/,
    text: 'its certificate is of no authority that is trusted here',
    advice: 'NODE_EXTRA_CA_CERTS=FILE adds one, --insecure accepts any' },
  { error: /^ERR_TLS_CERT_ALTNAME_INVALID/, text: 'its certificate is not for NAME',
    advice: '--host asks for another name, --insecure accepts any' },
  { error: /^CERT_/, text: 'its certificate is not valid',
    advice: 'renew it, or --insecure accepts it' },
  { error: /certificate.required/i, text: 'it asks for a certificate, and verify has none',
    advice: 'a bind line without "verify required" is needed' },
  { error: /^(ERR_SSL_|EPROTO)/, text: 'it refuses TLS for NAME',
    advice: "--host asks for another name; HAProxy's log may have why" },
];

/** Why nothing was answered, with the code of Node or OpenSSL; what is not known here as it is. */
export function faultOf(error: unknown): string {
  return find(error, ({ text }, code) => `${text} (${code})`);
}

/** As `faultOf`, for the request of a URL, with what to do. `name` is what its certificate has to be for. */
export function requestFault({ origin }: URL, name: string, error: unknown): string {
  const found = find(error, ({ text, advice }, code) => `${text} (${code}): ${advice}`);
  return `${origin}: ${found.replace('NAME', name)}`;
}

function find(error: unknown, format: (fault: Fault, code: string) => string): string {
  const text = errorText(error);
  const code = String((error as NodeJS.ErrnoException).code);
  const fault = FAULTS.find((each) => each.error.test(`${code} ${text}`));
  return fault === undefined ? text : format(fault, code);
}
