import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTls } from 'node:tls';

/** The timeout of a probe, and how long its result is used, in milliseconds. */
const PROBE_LIMIT = 2_000;
const PROBE_VALIDITY = 60_000;

/** Connects to a receiver that does not answer as it was asked, to see whether it speaks TLS, or does not. */
export class SchemeProbe {
  private readonly target: string;
  private readonly plain: boolean;
  private last: { readonly at: number; readonly speaksOther: boolean } | undefined;

  /**
   * @param target host and port
   * @param plain whether it was asked without TLS
   */
  constructor(target: string, plain: boolean) {
    this.target = target;
    this.plain = plain;
  }

  /** Whether the receiver answers to TLS where it was asked plainly, or the other way round. */
  async speaksOther(): Promise<boolean> {
    const now = performance.now();
    if (this.last === undefined || now - this.last.at > PROBE_VALIDITY) {
      const speaksOther = await (this.plain ? speaksTls : speaksPlainHttp2)(this.target);
      this.last = { at: now, speaksOther };
    }
    return this.last.speaksOther;
  }
}

/** Whether a TLS handshake succeeds, or fails in the words of TLS. Nothing is sent, so that the certificate does not matter. */
function speaksTls(target: string): Promise<boolean> {
  const [, host = '', port] = /^\[?(.*?)\]?:(\d+)$/.exec(target) ?? [];
  return new Promise((resolve) => {
    const socket = connectTls({
      host,
      port: Number(port),
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
    });
    const end = (result: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => end(false), PROBE_LIMIT);
    socket.once('secureConnect', () => end(true));
    socket.on('error', (error) => end(/alert/.test(error.message)));
    socket.once('close', () => end(false));
  });
}

function speaksPlainHttp2(target: string): Promise<boolean> {
  return new Promise((resolve) => {
    const session = connectHttp2(`http://${target}`);
    const end = (result: boolean): void => {
      clearTimeout(timer);
      session.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => end(false), PROBE_LIMIT);
    session.once('remoteSettings', () => end(true));
    session.on('error', () => end(false));
    session.once('close', () => end(false));
  });
}
