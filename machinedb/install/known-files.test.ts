import { expect, test } from 'vitest';
import type { ImageManifest } from '../../shared/boot.ts';
import type { Context } from '../context.ts';
import { withIntents } from '../testing/intents.ts';
import { knownFiles } from './known-files.ts';

const { ask, db, keys } = await withIntents();
const digest = (digit: string) => digit.repeat(64);
const discovery = (name: string, kernel: string, initrd: string): ImageManifest => ({
  ...{ name, kind: 'discovery', architecture: 'amd64', built_at: '2026-11-21T00:00:00Z' },
  files: { kernel: { sha256: digest(kernel), size: 1 }, initrd: { sha256: digest(initrd), size: 1 } },
  ...{ agent: digest('3'), packages: {} },
});

test('a file is known by a manifest whose signature holds, also when its image comes later', async () => {
  const warned: object[] = [];
  const log = { warn: (data: object) => void warned.push(data) } as unknown as Context['log'];
  const isKnown = knownFiles({ db, keys, log });
  const known = async () => await Promise.all(['a', 'b', 'c', '3'].map((digit) => isKnown(digest(digit))));
  expect(await known()).toEqual([false, false, false, false]);
  await ask('putImage', { params: { image: 'd-2026.11' }, body: discovery('d-2026.11', 'a', 'b') });
  // The agent's digest is in the manifest, too, and names no file.
  expect(await known()).toEqual([true, true, false, false]);
  // Somebody who can write the table cannot sign.
  const { files } = discovery('d-2026.11', 'a', 'c');
  await db
    .updateTable('image')
    .set({ manifest: JSON.stringify({ ...discovery('d-2026.11', 'a', 'b'), files }) })
    .execute();
  expect(await isKnown(digest('c'))).toBe(false);
  expect(warned).toEqual([{ image: 'd-2026.11' }]);
});
