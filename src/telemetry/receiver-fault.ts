import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTls } from 'node:tls';
import { type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { foreignContentType } from './grpc-status.ts';

/** How the receiver is connected to. */
export type ReceiverAddress = {
  /** Host and port. */
  readonly target: string;
  readonly plain: boolean;
  /** Whether it can be connected to without anything in between, to see what it speaks. */
  readonly probed: boolean;
  /** What to set where it speaks TLS and should not, or the other way round. */
  readonly otherScheme: string;
};

/** What a probe may take, and how long its result is used, in milliseconds. */
const PROBE_LIMIT = 2_000;
const PROBE_VALIDITY = 60_000;

/** The receiver was not reached at all: there is nobody to probe. */
const NOT_REACHED =
  /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|Name resolution failed|certificate/;

/**
 * What is wrong with the receiver that is set, in words of the settings, where gRPC's own error does not say: the
 * wrong scheme, or a server that does not speak gRPC.
 */
export class ReceiverFaults {
  private readonly address: ReceiverAddress;
  private probe: { readonly at: number; readonly speaksOther: boolean } | undefined;

  constructor(address: ReceiverAddress) {
    this.address = address;
  }

  async explain(error: ServiceError, headers: Metadata | undefined): Promise<string | undefined> {
    const { target, plain, otherScheme } = this.address;
    const type = foreignContentType(error, headers);
    if (type !== undefined) {
      return `${target} answers with ${type} in place of gRPC: OTEL_EXPORTER_OTLP_ENDPOINT has to name an OTLP/gRPC receiver, and what is in front of it has to pass gRPC on`;
    }
    const { details } = error;
    if (error.code === status.DEADLINE_EXCEEDED && details.endsWith('Waiting for LB pick')) {
      return `${target} did not answer to a connection`;
    }
    if (error.code !== status.UNAVAILABLE || !details.startsWith('No connection established')) {
      return undefined;
    }
    if (/unable to (verify|get)|self.signed certificate/.test(details)) {
      return `${target} shows a certificate of another authority: OTEL_EXPORTER_OTLP_CERTIFICATE has to name the PEM file of its authority`;
    }
    if (/wrong version number/.test(details) || (await this.speaksOther(details))) {
      return `${target} ${plain ? 'speaks TLS' : 'does not speak TLS'}: ${otherScheme}`;
    }
    if (/Protocol error|no application protocol/.test(details)) {
      return `${target} does not speak HTTP/2, which gRPC needs: OTEL_EXPORTER_OTLP_ENDPOINT has to name the receiver's port for OTLP/gRPC, mostly 4317; 4318 is for OTLP/HTTP`;
    }
    return undefined;
  }

  /** Whether the receiver answers to TLS where it was asked plainly, or the other way round. */
  private async speaksOther(details: string): Promise<boolean> {
    if (!this.address.probed || NOT_REACHED.test(details)) return false;
    const now = performance.now();
    if (this.probe === undefined || now - this.probe.at > PROBE_VALIDITY) {
      const speaksOther = await (this.address.plain ? speaksTls : speaksPlainHttp2)(this.address);
      this.probe = { at: now, speaksOther };
    }
    return this.probe.speaksOther;
  }
}

/** Whether a TLS handshake succeeds, or fails in the words of TLS. Nothing is sent: who answers does not matter. */
function speaksTls({ target }: ReceiverAddress): Promise<boolean> {
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

function speaksPlainHttp2({ target }: ReceiverAddress): Promise<boolean> {
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
