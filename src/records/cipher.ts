/** OpenSSL's name of a cipher suite before TLS 1.3: key exchange and authentication, where they are not RSA's, cipher, MAC. */
const OPENSSL =
  /^(?:(ECDHE|DHE)-(RSA|ECDSA|DSS)-)?(AES|CAMELLIA|ARIA)(128|256)-(?:(GCM|CCM8|CCM)-?)?(SHA\d*)?$/;
const CHACHA = /^(ECDHE|DHE)-(RSA|ECDSA)-CHACHA20-POLY1305$/;

/** The registered name of a cipher suite, which HAProxy has OpenSSL's name of; that where there is no rule for it. */
export function registeredCipher(name: string): string {
  const [, exchange, signature] = CHACHA.exec(name) ?? [];
  if (exchange !== undefined) return `TLS_${exchange}_${signature}_WITH_CHACHA20_POLY1305_SHA256`;
  const [, by = 'RSA', signed, cipher, bits, mode = 'CBC', mac] = OPENSSL.exec(name) ?? [];
  if (cipher === undefined) return name;
  const keys = signed === undefined ? by : `${by}_${signed}`;
  const ending = mac === undefined ? mode.replace('8', '_8') : `${mode}_${mac}`;
  return `TLS_${keys}_WITH_${cipher}_${bits}_${ending}`;
}
