import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { Problem } from '../problem.ts';

export type KeyKind = 'ed25519' | 'p256';

/** How a key is named to people: the hash that OpenSSH users know, over the subject public key info. */
export function fingerprintOf(spki: Buffer): string {
  return `SHA256:${createHash('sha256').update(spki).digest('base64').replace(/=+$/, '')}`;
}

/** Reads a public key (SubjectPublicKeyInfo, DER). Only ed25519 (RFC 8410) and ECDSA P-256 are accepted. */
export function readPublicKey(spki: Buffer, kind: KeyKind): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  } catch {
    throw new Problem('invalid', 'public_key is not a SubjectPublicKeyInfo in DER, base64');
  }
  const found =
    key.asymmetricKeyType === 'ed25519'
      ? 'ed25519'
      : key.asymmetricKeyDetails?.namedCurve === 'prime256v1'
        ? 'p256'
        : undefined;
  if (found !== kind) {
    throw new Problem('invalid', `public_key is not a key of kind ${kind}: use ed25519, or P-256 from a TPM`);
  }
  // Bytes behind the key, or another encoding of it, would give one key two fingerprints.
  if (!key.export({ type: 'spki', format: 'der' }).equals(spki))
    throw new Problem('invalid', 'public_key is not in its one DER form');
  return key;
}

/** Whether `signature` (ed25519 raw; P-256 as IEEE P1363, as JOSE has it) is by the key over the bytes. */
export function isSigned(spki: Buffer, kind: KeyKind, data: Buffer | string, signature: Buffer): boolean {
  const key = readPublicKey(spki, kind);
  const bytes = Buffer.from(data);
  return kind === 'ed25519'
    ? verify(null, bytes, key, signature)
    : verify('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' }, signature);
}
