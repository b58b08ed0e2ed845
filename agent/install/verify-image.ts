import { createPublicKey, verify } from 'node:crypto';
import type { SignedImage } from '../../shared/boot.ts';
import { imageText } from '../../shared/image-text.ts';
import type { TrustStore } from '../client/trust-store.ts';

export type DiskFile = NonNullable<SignedImage['manifest']['files']['disk']>;

/** The disk file of an image whose signature holds. Throws when it does not, or when the image has no disk file. */
export function verifyImage({ manifest, signature, key }: SignedImage, trust: TrustStore): DiskFile {
  const spki = trust.wantedKey(key);
  if (spki === undefined) throw new Error(`image ${manifest.name} is signed by key ${key}, which is not trusted`);
  const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  if (!verify(null, Buffer.from(imageText(manifest)), publicKey, Buffer.from(signature, 'base64')))
    throw new Error(`the signature of image ${manifest.name} does not hold: it is not written`);
  const { disk } = manifest.files;
  if (disk === undefined) throw new Error(`image ${manifest.name} is for no disk`);
  return disk;
}
