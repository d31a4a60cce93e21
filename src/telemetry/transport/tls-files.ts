import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
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
    ca: readCertificate(certificate),
    cert: readCertificate(clientCertificate),
    key: clientKey === undefined ? undefined : readFileSync(clientKey),
  };
}

/** OpenSSL ignores what is no certificate, and then trusts none. */
function readCertificate(path: string | undefined): Buffer | undefined {
  if (path === undefined) return undefined;
  const pem = readFileSync(path);
  try {
    new X509Certificate(pem);
  } catch {
    throw new Error(`${path} is not a certificate in PEM format`);
  }
  return pem;
}
