import { type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { foreignContentType } from './grpc-status.ts';
import { SchemeProbe } from './scheme-probe.ts';

/** How the receiver is connected to. */
type ReceiverAddress = {
  /** Host and port. */
  readonly target: string;
  readonly plain: boolean;
  /** Whether it can be connected to without anything in between, to see what it speaks. */
  readonly probed: boolean;
  /** What to set where it speaks TLS and should not, or the other way round. */
  readonly otherScheme: string;
};

/** The receiver was not reached at all: there is nobody to probe. */
const NOT_REACHED =
  /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|Name resolution failed|certificate/;

/**
 * What is wrong with the receiver that is set, in terms of the settings, where gRPC's own error does not have it: the
 * wrong scheme, or a server that does not speak gRPC.
 */
export class ReceiverFaults {
  private readonly address: ReceiverAddress;
  private readonly probe: SchemeProbe;

  constructor(address: ReceiverAddress) {
    this.address = address;
    this.probe = new SchemeProbe(address.target, address.plain);
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
    return this.address.probed && !NOT_REACHED.test(details) && this.probe.speaksOther();
  }
}
