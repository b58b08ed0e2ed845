import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { isSignedBy, type KeyKind } from '../../shared/node-signature.ts';
import { Problem } from '../http/problem.ts';

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
  if (found === 'ed25519' && isLowOrder(spki.subarray(-32))) {
    throw new Problem('invalid', 'public_key is a point of small order, for which anybody can sign: make a new key');
  }
  // Bytes behind the key, or another encoding of it, would give one key two fingerprints.
  if (!key.export({ type: 'spki', format: 'der' }).equals(spki))
    throw new Problem('invalid', 'public_key is not in its one DER form');
  return key;
}

// Points of order 1, 2, 4 and 8 of edwards25519, and their other encodings, without the sign bit (as libsodium has them).
const LOW_ORDER = new Set([
  `00${'00'.repeat(31)}`,
  `01${'00'.repeat(31)}`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
]);

function isLowOrder(point: Buffer): boolean {
  const unsigned = Buffer.from(point);
  unsigned[31] = unsigned[31]! & 0x7f;
  return LOW_ORDER.has(unsigned.toString('hex'));
}

/** As isSignedBy(), for a key that somebody shows: one that is not accepted is told. */
export function isSigned(spki: Buffer, kind: KeyKind, data: Buffer | string, signature: Buffer): boolean {
  readPublicKey(spki, kind);
  return isSignedBy(spki, kind, data, signature);
}
