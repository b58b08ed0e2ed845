import type { ImageManifest } from './boot.ts';
import { canonical } from './canonical.ts';

/** What the signature of an image is over. The first line keeps it apart from all else that the key signs. */
export function imageText(manifest: ImageManifest): string {
  return `machinedb-image\n${canonical(manifest)}`;
}
