import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { isIP } from 'node:net';
import { connect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import type { Finding } from './finding.ts';

/** iPXE verifies RSA only, and speaks TLS 1.2 at most. */
const LIKE_IPXE = { maxVersion: 'TLSv1.2', sigalgs: 'RSA+SHA256:RSA+SHA384:RSA+SHA512' } as const;
const WAIT_MS = 5_000;

/** What keeps iPXE from fetching what an https:// URL names. Other URLs have no certificate. */
export async function checkUrl(url: URL, now: number): Promise<Finding[]> {
  if (url.protocol !== 'https:') return [];
  const error = { check: 'certificate', level: 'error' } as const;
  const way = 'give that server an RSA certificate (2048 bits or more) from an RSA authority, and TLS 1.2';
  const chain = await chainOf(url, LIKE_IPXE).catch(() => undefined);
  if (chain !== undefined) return chain.flatMap((certificate) => judge(url, certificate, now));
  const shown = await chainOf(url, {}).catch((cause: Error) => cause);
  if (shown instanceof Error)
    return [
      {
        ...{ ...error, what: `${url.origin} cannot be reached`, cause: shown.message },
        way: 'start the server that machines are to fetch from, or correct the URL',
      },
    ];
  const [leaf] = shown;
  const type = leaf?.publicKey.asymmetricKeyType;
  return [
    {
      ...{ ...error, what: `iPXE cannot read from ${url.origin}`, way },
      cause:
        type === 'rsa'
          ? 'it offers no TLS 1.2, which is the newest that iPXE speaks'
          : `its certificate has a key of type ${type === 'ec' ? 'ECDSA' : type}, and iPXE verifies RSA only`,
    },
  ];
}

function judge(url: URL, certificate: X509Certificate, now: number): Finding[] {
  const name = certificate.subject.replaceAll('\n', ', ');
  const error = { check: 'certificate', level: 'error' } as const;
  const findings: Finding[] = [];
  if (certificate.publicKey.asymmetricKeyType !== 'rsa' || !/rsa/i.test(certificate.signatureAlgorithm ?? ''))
    findings.push({
      ...{ ...error, what: `iPXE cannot read from ${url.origin}` },
      cause: `in its chain ${name} is signed by ${certificate.signatureAlgorithm}, with a key of type ${certificate.publicKey.asymmetricKeyType}; iPXE verifies RSA only`,
      way: 'give that server an RSA certificate from an RSA authority',
    });
  const [from, to] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()];
  if (now < from || now > to)
    findings.push({
      ...{ ...error, what: `the certificate of ${url.origin} is not valid now (${name})` },
      cause: `it is valid from ${new Date(from).toISOString()} to ${new Date(to).toISOString()}`,
      way: now < from ? 'set the clock, or issue it anew' : 'issue it anew',
    });
  return findings;
}

/** The certificates that a server shows, its own first. They are judged here: no trust comes of it. */
async function chainOf(url: URL, options: { maxVersion?: 'TLSv1.2'; sigalgs?: string }): Promise<X509Certificate[]> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const socket: TLSSocket = connect({
    ...{ host, port: Number(url.port || 443), rejectUnauthorized: false, ...options },
    ...(isIP(host) === 0 ? { servername: host } : {}),
  });
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(WAIT_MS) });
    const chain: X509Certificate[] = [];
    let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
    while (next?.raw !== undefined && chain.length < 8) {
      chain.push(new X509Certificate(next.raw));
      next = next.issuerCertificate === next ? undefined : next.issuerCertificate;
    }
    return chain;
  } finally {
    socket.destroy();
  }
}
