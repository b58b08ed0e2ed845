import { createHash, X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';

/** The name in every server certificate, whatever address the server is reached by. */
export const SERVER_NAME = 'machinedb';
const MAX_CHAIN = 6;

/**
 * Checks who is at the other end of a TLS connection that was opened with `rejectUnauthorized: false`: a certificate for
 * the fixed name, signed step by step up to a pinned CA, each valid at `now`. Call it on `secureConnect`, before a byte is
 * sent. Throws an Error that names the cause and the way out.
 *
 * @param pins SHA-256 of the subject public key info of each CA that is trusted, hexadecimal
 * @param now milliseconds since 1970, by a clock that never goes below the build time
 */
export function checkPeer(socket: TLSSocket, pins: readonly string[], now: number): void {
  checkChain(chainOf(socket.getPeerCertificate(true)), pins, now);
}

/** As checkPeer(), for a chain: leaf first. */
export function checkChain(chain: readonly X509Certificate[], pins: readonly string[], now: number): void {
  const [leaf] = chain;
  if (leaf === undefined) throw new Error('the server shows no certificate: is it MachineDB, with TLS on?');
  if (leaf.ca || leaf.checkHost(SERVER_NAME, { subject: 'never' }) === undefined) {
    throw new Error(
      `the server's certificate is not for the name ${SERVER_NAME}: something else answers at this address`,
    );
  }
  checkTime(leaf, now);
  let certificate = leaf;
  for (const issuer of chain.slice(1)) {
    if (!issuer.ca || !certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey)) break;
    checkTime(issuer, now);
    if (pins.includes(pinOf(issuer))) return;
    certificate = issuer;
  }
  throw new Error(
    `the server's certificate is not signed by a pinned CA (${pins.join(', ') || 'none is pinned'}): compare the pin with "machinedb ca show"`,
  );
}

/** SHA-256 of a certificate's subject public key info, hexadecimal. */
export function pinOf(certificate: X509Certificate): string {
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest('hex');
}

function checkTime(certificate: X509Certificate, now: number): void {
  if (now >= Date.parse(certificate.validFrom) && now <= Date.parse(certificate.validTo)) return;
  throw new Error(
    `the server's certificate is valid from ${certificate.validFrom} to ${certificate.validTo}, and this machine's clock says ${new Date(now).toISOString()}: set the clock`,
  );
}

/** A self-signed certificate is its own issuer, so the list ends where it would repeat itself. */
function chainOf(peer: DetailedPeerCertificate): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next: DetailedPeerCertificate | undefined = peer;
  while (next?.raw !== undefined && chain.length < MAX_CHAIN) {
    chain.push(new X509Certificate(next.raw));
    next = next.issuerCertificate === next ? undefined : next.issuerCertificate;
  }
  return chain;
}
