import type { Reader, Tx } from '../db.ts';
import type { Kek } from '../trust/seal.ts';
import { openSecrets, putSecret, retireOld } from '../trust/secrets.ts';

/** How long the secret before the newest one still signs, too: a receiver changes it meanwhile (milliseconds). */
const OVERLAP_MS = 86_400_000;

const nameOf = (webhook: string) => `machinedb/webhook/${webhook}`;

/** Makes a key the newest of a webhook. */
export async function putKey(tx: Tx, kek: Kek, webhook: string, key: Buffer): Promise<void> {
  await putSecret(tx, kek, nameOf(webhook), key);
  await retireOld(tx, nameOf(webhook));
}

/**
 * The keys that sign for a webhook, newest first.
 *
 * @param now milliseconds since 1970
 */
export async function signingKeys(db: Reader, kek: Kek, webhook: string, now: number): Promise<Buffer[]> {
  const [newest, before] = await openSecrets(db, kek, nameOf(webhook));
  if (newest === undefined) throw new Error(`webhook ${webhook} has no secret: machinedb webhook rotate makes one`);
  const both = before !== undefined && now < newest.created_at.getTime() + OVERLAP_MS;
  return both ? [newest.value, before.value] : [newest.value];
}

export async function dropKeys(tx: Tx, webhook: string): Promise<void> {
  await tx.deleteFrom('secret').where('name', '=', nameOf(webhook)).execute();
}
