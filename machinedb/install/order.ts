import { isGivenUp } from '../boot/decide.ts';
import type { InstallProgress } from '../schema.ts';

interface Asked {
  reinstall: number;
  installed: number;
  install_progress: InstallProgress | null;
  install_request: { image: string; wipe: boolean } | null;
  wanted: Record<string, unknown>;
}

/** What is to be installed on a node. */
export interface Order {
  generation: number;
  /** Name of the image. */
  image: string;
  wipe: boolean;
  /** Rule that the disk must meet. */
  disk: Record<string, unknown>;
}

/** The install that a person asked for and that may begin or go on; undefined: none is, it is stopped, or it failed too often. */
export function orderOf(
  { reinstall, installed, install_progress, install_request, wanted }: Asked,
  stopped: boolean,
): Order | undefined {
  if (reinstall <= installed || stopped) return undefined;
  if (install_request === null || isGivenUp(reinstall, install_progress)) return undefined;
  const { image, wipe } = install_request;
  const disk = (wanted.image as { disk?: Record<string, unknown> } | undefined)?.disk ?? {};
  return { generation: reinstall, image, wipe, disk };
}
