import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { SignedImage } from '../../shared/boot.ts';
import type { Client } from '../../shared/client.ts';
import { doubtOf } from '../../shared/signed-image.ts';
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
export async function checkSignature(client: Client, image: SignedImage): Promise<string[]> {
  const doubt = doubtOf(image, (await client.call('getTrust', {})).wanted_keys);
  return doubt === undefined ? [] : [doubt];
}
