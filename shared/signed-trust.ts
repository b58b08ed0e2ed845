import { createHash, createPublicKey, verify } from 'node:crypto';
import type { Trust } from './api/agent.ts';
import { canonical } from './canonical.ts';

/** A signature of trustText() by a certificate authority: its key (SPKI, DER) and the ECDSA signature (DER), base64. */
export interface TrustSignature {
  public_key: string;
  signature: string;
}

/** What a certificate authority signs of what agents are to trust. The first line keeps it apart from certificates. */
export function trustText(trust: Trust): string {
  return `machinedb-trust\n${canonical(trust)}`;
}

/**
 * Whether one of the pinned CAs says this. A relay shows a certificate by the CA, too, but does not have its key: it hands on what
 * is to be trusted, and cannot make it.
 *
 * @param pins SHA-256 of the subject public key info of each CA that is trusted, hexadecimal
 */
export function isTrustSigned(trust: Trust, signatures: readonly TrustSignature[], pins: readonly string[]): boolean {
  return signatures.some(({ public_key, signature }) => {
    const spki = Buffer.from(public_key, 'base64');
    if (!pins.includes(createHash('sha256').update(spki).digest('hex'))) return false;
    const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    return verify('sha256', Buffer.from(trustText(trust)), key, Buffer.from(signature, 'base64'));
  });
}
