import { createPublicKey, verify } from 'node:crypto';
import type { SignedImage } from './boot.ts';
import { imageText } from './image-text.ts';

/** Why a manifest cannot be believed; undefined: it is signed by one of the keys. */
export function doubtOf(
  { manifest, signature, key }: Pick<SignedImage, 'manifest' | 'signature' | 'key'>,
  keys: readonly { id: string; public_key: string }[],
): string | undefined {
  const spki = keys.find(({ id }) => id === key)?.public_key;
  if (spki === undefined) return `it is signed by key ${key}, which is not trusted`;
  const publicKey = createPublicKey({ key: Buffer.from(spki, 'base64'), format: 'der', type: 'spki' });
  const holds = verify(null, Buffer.from(imageText(manifest)), publicKey, Buffer.from(signature, 'base64'));
  return holds ? undefined : 'its signature does not hold';
}
