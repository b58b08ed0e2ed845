import { createPublicKey, verify } from 'node:crypto';
import { sql } from 'kysely';
import { imageText } from '../../shared/image-text.ts';
import type { Context } from '../context.ts';

/**
 * Answers whether an image of the catalogue has a file of this SHA-256, by a manifest whose signature holds. What a manifest
 * says never changes, so that a yes is kept; a no is looked up again, for the image may be catalogued in a moment.
 */
export function knownFiles({
  db,
  keys,
  log,
}: Pick<Context, 'db' | 'keys' | 'log'>): (sha256: string) => Promise<boolean> {
  const known = new Set<string>();
  return async (sha256) => {
    if (known.has(sha256)) return true;
    const rows = await db
      .selectFrom('image')
      .selectAll()
      .where(
        sql<boolean>`jsonb_path_exists(manifest, '$.files.*.sha256 ? (@ == $sha256)', jsonb_build_object('sha256', ${sha256}::text))`,
      )
      .execute();
    for (const { manifest, signature, signing_key } of rows) {
      const spki = keys.trust().wanted_keys.find(({ id }) => id === signing_key)?.public_key;
      const holds =
        spki !== undefined &&
        verify(
          null,
          Buffer.from(imageText(manifest)),
          createPublicKey({ key: Buffer.from(spki, 'base64'), format: 'der', type: 'spki' }),
          Buffer.from(signature, 'base64'),
        );
      if (holds) for (const { sha256: file } of Object.values(manifest.files)) known.add(file);
      else log.warn({ image: manifest.name }, 'the signature of this image does not hold: its files are not served');
    }
    return known.has(sha256);
  };
}
