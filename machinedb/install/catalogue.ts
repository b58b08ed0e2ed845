import type { Selectable } from 'kysely';
import type { ImageManifest, SignedImage } from '../../shared/boot.ts';
import { canonical } from '../../shared/canonical.ts';
import { imageText } from '../../shared/image-text.ts';
import type { Reader, Tx } from '../db.ts';
import { append } from '../feed/feed.ts';
import { Problem } from '../http/problem.ts';
import type { Database } from '../schema.ts';
import type { Keys } from '../trust/keys.ts';

export type ImageRow = Selectable<Database['image']>;

/** An image as the API shows it. */
export function toImage(row: ImageRow): SignedImage & { created_by: string; created_at: string } {
  const { manifest, signature, signing_key: key, created_by, created_at } = row;
  return { manifest, signature, key, created_by, created_at: created_at.toISOString() };
}

/** The image of a name. Throws not_found. */
export async function imageOf(db: Reader, name: string): Promise<ImageRow> {
  const row = await db.selectFrom('image').selectAll().where('name', '=', name).executeTakeFirst();
  if (row === undefined)
    throw new Problem(
      'not_found',
      `there is no image "${name}": machinedb image list shows them, image build makes one`,
    );
  return row;
}

/** The discovery image that was catalogued last; undefined when there is none. */
export async function newestDiscovery(db: Reader): Promise<ImageManifest | undefined> {
  const row = await db
    .selectFrom('image')
    .select('manifest')
    .where('kind', '=', 'discovery')
    .orderBy('created_at', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.manifest;
}

/**
 * Signs a manifest and takes it into the catalogue. The same manifest again is answered as it is; another one under a name
 * that is taken is refused: what a name means never changes.
 */
export async function catalogue(tx: Tx, keys: Keys, manifest: ImageManifest, by: string): Promise<ImageRow> {
  checkFiles(manifest);
  const { signature, key } = keys.signWanted(imageText(manifest));
  const { name, kind } = manifest;
  const made = await tx
    .insertInto('image')
    .values({ name, kind, manifest: JSON.stringify(manifest), signature, signing_key: key, created_by: by })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returningAll()
    .executeTakeFirst();
  if (made !== undefined) {
    const data = { name, kind, built_at: manifest.built_at };
    await append(tx, [], [{ kind: 'image.catalogued', subject: 'fleet', actor: by, data }]);
    return made;
  }
  const present = await imageOf(tx, name);
  if (canonical(present.manifest) === canonical(manifest)) return present;
  throw new Problem('conflict', `image ${name} is in the catalogue with other content: give the new one another name`);
}

function checkFiles({ name, kind, files }: ImageManifest): void {
  const whole =
    kind === 'discovery' ? files.kernel !== undefined && files.initrd !== undefined : files.disk !== undefined;
  if (whole) return;
  const lacking = kind === 'discovery' ? 'a kernel and an initrd' : 'a disk';
  throw new Problem('invalid', `image ${name} of kind ${kind} must have ${lacking} among its files`);
}
