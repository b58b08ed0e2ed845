import { closeSync, constants, openSync } from 'node:fs';
import type { z } from 'zod';
import type { installRows } from '../../shared/api/install.ts';
import type { InstallPhase } from '../../shared/api/install-status.ts';
import type { Disks } from '../../shared/sections/disks.ts';
import type { TrustStore } from '../client/trust-store.ts';
import { chooseDisk } from './choose-disk.ts';
import { download } from './download.ts';
import { largestPartition, type Partition } from './gpt.ts';
import { contentsOf, markOf } from './guard.ts';
import { verifyImage } from './verify-image.ts';
import { activate, writeImage } from './write-image.ts';

export type Order = NonNullable<z.output<(typeof installRows)['getSelfInstall']['reply']>['install']>;

export interface Told {
  generation: number;
  phase: InstallPhase;
  percent?: number;
  disk?: string;
  message?: string;
}

export interface Installer {
  node: string;
  disks: Disks;
  trust: TrustStore;
  /** Where the boot service's files are: http://HOST:PORT/files */
  files: URL;
  /** Folder of the disks: /dev */
  devices: string;
  /** How long the boot service may be away, milliseconds. */
  patienceMs: number;
  sleep: (ms: number) => Promise<void>;
  /** Uniform in [0, 1). */
  random: () => number;
  /** Tells the server; answers whether the install is still wanted. */
  tell: (told: Told) => Promise<boolean>;
  /** Makes the disk's identity, registers it, and puts it onto the disk. */
  handOver: (device: string, root: Partition) => Promise<void>;
}

/** Every so many percent are told, at most. */
const STEP = 5;

/**
 * Writes an image to the disk that the order's rule allows, and makes it bootable at the very end. Answers false when the
 * install was taken back. Whatever fails leaves a disk that does not boot, or an untouched one.
 *
 * @throws Error that names the cause
 */
export async function installImage(installer: Installer, order: Order): Promise<boolean> {
  const { node, tell } = installer;
  const { generation } = order;
  const file = verifyImage(order.image, installer.trust);
  const chosen = chooseDisk(installer.disks, order.disk, file.raw_size);
  const device = `${installer.devices}/${chosen.name}`;
  const disk = chosen.label;
  // Exclusive: a disk that something of this system uses is not written.
  const fd = openSync(device, constants.O_RDWR | constants.O_EXCL);
  try {
    const mark = markOf(node, generation);
    if (contentsOf(fd, chosen.sizeBytes, mark) === 'data' && !order.wipe)
      throw new Error(`disk ${disk} (${chosen.name}) holds data: ask again with --wipe if it may be lost`);
    if (!(await tell({ generation, phase: 'started', disk }))) return false;
    const url = new URL(`${installer.files.href.replace(/\/$/, '')}/${file.sha256}`);
    const { patienceMs, sleep, random } = installer;
    const chunks = download({ url, size: file.size, sha256: file.sha256, patienceMs, sleep, random });
    const teller = new ProgressTeller((percent) => tell({ generation, phase: 'writing', percent }));
    const head = await writeImage({ fd, diskBytes: chosen.sizeBytes, mark }, chunks, file.raw_size, (bytes) =>
      teller.note(Math.floor((bytes / file.raw_size) * 100)),
    );
    await teller.end();
    await tell({ generation, phase: 'handing_over', disk });
    await installer.handOver(device, largestPartition(head));
    activate(fd, head);
    await tell({ generation, phase: 'installed', disk, percent: 100 });
    return true;
  } catch (error) {
    if (error instanceof TakenBack) return false;
    throw error;
  } finally {
    closeSync(fd);
  }
}

class TakenBack extends Error {}

/** Tells how far it is beside the writing, one word at a time: a round trip takes longer than some percent. */
class ProgressTeller {
  readonly #tell: (percent: number) => Promise<boolean>;
  #told = -STEP;
  #telling: Promise<void> | undefined;
  #failure: Error | undefined;

  constructor(tell: (percent: number) => Promise<boolean>) {
    this.#tell = tell;
  }

  /** Throws when an earlier word was answered by a no. */
  note(percent: number): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#telling !== undefined || percent < this.#told + STEP) return;
    this.#told = percent;
    this.#telling = this.#say(percent);
  }

  async end(): Promise<void> {
    await this.#telling;
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #say(percent: number): Promise<void> {
    try {
      if (!(await this.#tell(percent))) this.#failure = new TakenBack();
    } catch (error) {
      this.#failure = error as Error;
    }
    this.#telling = undefined;
  }
}
