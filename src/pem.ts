import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

/**
 * A PEM file with one certificate or more. OpenSSL ignores what is no certificate, and then trusts nobody.
 *
 * @throws the system's error when the file cannot be read, Error when there is no certificate in it
 */
export function readCertificate(path: string): Buffer {
  const pem = readFileSync(path);
  try {
    new X509Certificate(pem);
  } catch {
    throw new Error(`${path} is not a certificate in PEM format`);
  }
  return pem;
}
