import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { sql } from 'kysely';
import type { SignedImage } from '../../shared/boot.ts';
import type { Reader } from '../db.ts';
import { Problem } from '../http/problem.ts';
import type { ImageRow } from '../install/catalogue.ts';

/** The images that nodes of a site are booted and installed with now: the newest discovery image, and what is asked or intended. */
export async function siteImages(db: Reader, site: string): Promise<SignedImage[]> {
  const { rows } = await sql<ImageRow>`
    select * from image where
      name = (select name from image where kind = 'discovery' order by created_at desc limit 1)
      or name in (
        select n.wanted->'image'->>'name' from node_now n where n.site = ${site}
        union select node.install_request->>'image' from node join node_now n on n.node = node.id
          where n.site = ${site} and node.reinstall > node.installed)
    order by name`.execute(db);
  return rows.map(({ manifest, signature, signing_key: key }) => ({ manifest, signature, key }));
}

/** A file that some image in the catalogue has, out of this daemon's folder of files. Throws not_found. */
export async function openImageFile(
  db: Reader,
  directory: string,
  sha256: string,
): Promise<{ stream: Readable; size: number }> {
  const { rows } = await sql`
    select from image, jsonb_each(manifest->'files') as file where file.value->>'sha256' = ${sha256} limit 1`.execute(
    db,
  );
  const path = join(directory, sha256);
  const found = rows.length === 0 ? undefined : await stat(path).catch(() => undefined);
  if (found?.isFile() !== true)
    throw new Problem(
      'not_found',
      `no file ${sha256} of an image is here: build its image on this machine, or copy it here`,
    );
  return { stream: createReadStream(path), size: found.size };
}
