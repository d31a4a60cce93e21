import { readFileSync } from 'node:fs';
import { readCertificate } from '../../pem.ts';
import type { OtlpConfig } from '../config.ts';

/** What a TLS connection to the receiver is made with, in PEM; undefined is what Node and the system have. */
type TlsFiles = {
  readonly ca: Buffer | undefined;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
};

/** @throws the system's error when a file cannot be read, Error when it has no certificate where there has to be one */
export function readTlsFiles(config: OtlpConfig): TlsFiles {
  const { certificate, clientCertificate, clientKey } = config;
  return {
    ca: certificate === undefined ? undefined : readCertificate(certificate),
    cert: clientCertificate === undefined ? undefined : readCertificate(clientCertificate),
    key: clientKey === undefined ? undefined : readFileSync(clientKey),
  };
}
