import { generate } from 'selfsigned';

type Issued = Awaited<ReturnType<typeof generate>>;

/** A certificate authority; what it issues is valid for `host`, or else for `localhost`. */
export async function createAuthority(): Promise<{
  /** Its own certificate, in PEM. */
  readonly authority: string;
  readonly issue: (name: string, host?: string) => Promise<Issued>;
}> {
  const ca = await generate([{ name: 'commonName', value: 'test-ca' }], {
    extensions: [{ name: 'basicConstraints', cA: true }],
  });
  const issue = (name: string, host = 'localhost'): Promise<Issued> =>
    generate([{ name: 'commonName', value: name }], {
      ca: { key: ca.private, cert: ca.cert },
      extensions: [
        { name: 'basicConstraints', cA: false },
        { name: 'subjectAltName', altNames: [{ type: 2, value: host }] },
      ],
    });
  return { authority: ca.cert, issue };
}
