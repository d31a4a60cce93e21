import type { ProxyConfig } from '../config.ts';
import { SchemeProbe } from './scheme-probe.ts';

/** What is wrong where no HTTP response came, in words of the settings where it is known. */
export class HttpFaults {
  private readonly target: string;
  private readonly secure: boolean;
  private readonly proxy: ProxyConfig | undefined;
  private readonly probe: SchemeProbe;

  /** @param target host and port, or a unix socket */
  constructor(target: string, secure: boolean, proxy: ProxyConfig | undefined) {
    this.target = target;
    this.secure = secure;
    this.proxy = proxy;
    this.probe = new SchemeProbe(/:\d+$/.test(target) ? target : `${target}:80`, !secure);
  }

  async explain(error: NodeJS.ErrnoException): Promise<string> {
    const message = error.message || error.code || 'an error without a reason';
    const known = [this.throughProxy(), await this.meaningOf(error)].filter(
      (text) => text !== undefined,
    );
    return known.length === 0 ? `${this.target}: ${message}` : `${known.join('; ')} (${message})`;
  }

  private throughProxy(): string | undefined {
    if (this.proxy === undefined) return undefined;
    const { address, variable } = this.proxy;
    return `through the proxy ${address}, set by ${variable}; no_proxy can name the receiver`;
  }

  private async meaningOf({
    code = '',
    message,
  }: NodeJS.ErrnoException): Promise<string | undefined> {
    const { target } = this;
    if (/UNABLE_TO_(VERIFY|GET)|SELF_SIGNED/.test(code)) {
      return `${target} shows a certificate of another authority: OTEL_EXPORTER_OTLP_CERTIFICATE has to name the PEM file of its authority`;
    }
    if (/wrong version number|packet length too long/.test(message)) {
      return `${target} does not speak TLS: OTEL_EXPORTER_OTLP_ENDPOINT has to begin with http://`;
    }
    if (code.startsWith('HPE_')) {
      return `${target} does not answer in HTTP/1.1: OTEL_EXPORTER_OTLP_ENDPOINT has to name the receiver's port for OTLP/HTTP, mostly 4318; 4317 is for OTLP/gRPC`;
    }
    // A server with TLS ends a connection that does not begin so.
    const isProbed = !this.secure && this.proxy === undefined && /^(ECONNRESET|EPIPE)$/.test(code);
    if (isProbed && !target.startsWith('unix') && (await this.probe.speaksOther())) {
      return `${target} speaks TLS: OTEL_EXPORTER_OTLP_ENDPOINT has to begin with https://`;
    }
    return undefined;
  }
}
