import { spawnSync } from 'node:child_process';
import { createPublicKey, verify } from 'node:crypto';
import { join } from 'node:path';
import type { SignedImage } from '../../shared/boot.ts';
import type { Client } from '../../shared/client.ts';
import { imageText } from '../../shared/image-text.ts';
import { Failure } from './failure.ts';

const root = join(import.meta.dirname, '../..');

/** Runs the builder, images/main.ts; answers what it prints. Its own words go to the terminal. */
export function builder(args: string[]): unknown {
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'images/main.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status !== 0) throw new Failure('the image was not made; see above');
  return JSON.parse(stdout);
}

/** What is wrong with an image's signature, a line each; empty: it holds. */
export async function checkSignature(client: Client, { manifest, signature, key }: SignedImage): Promise<string[]> {
  const { wanted_keys } = await client.call('getTrust', {});
  const spki = wanted_keys.find(({ id }) => id === key)?.public_key;
  if (spki === undefined) return [`it is signed by key ${key}, which is not trusted`];
  const publicKey = createPublicKey({ key: Buffer.from(spki, 'base64'), format: 'der', type: 'spki' });
  const holds = verify(null, Buffer.from(imageText(manifest)), publicKey, Buffer.from(signature, 'base64'));
  return holds ? [] : ['its signature does not hold'];
}
