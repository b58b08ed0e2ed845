import { createPublicKey, verify } from 'node:crypto';

export type KeyKind = 'ed25519' | 'p256';

/**
 * Whether `signature` (ed25519 raw; P-256 as IEEE P1363, as JOSE has it) is by the key over the bytes.
 *
 * @param spki a key that was accepted when its node enrolled: SubjectPublicKeyInfo, DER
 */
export function isSignedBy(spki: Buffer, kind: KeyKind, data: Buffer | string, signature: Buffer): boolean {
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  const bytes = Buffer.from(data);
  return kind === 'ed25519'
    ? verify(null, bytes, key, signature)
    : verify('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' }, signature);
}
