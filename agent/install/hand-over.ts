import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must, type Run } from '../command.ts';
import { writeDurably } from '../durable-file.ts';
import { configureCloudInit } from './cloud-init.ts';
import type { Partition } from './gpt.ts';

/** What the agent of the installed system needs to begin with, by file of its root. */
export interface Belongings {
  /** /var/lib/machinedb-agent: its identity and its trust. */
  state: Record<string, string>;
  /** /etc/machinedb/agent.json. */
  config: string;
}

const STATE = 'var/lib/machinedb-agent';

/**
 * Puts the agent's belongings on the disk before that is bootable: its root file system is mounted by its place, since the
 * kernel sees no partition table yet.
 *
 * @param mountPoint an empty folder
 */
export function handOver(run: Run, device: string, root: Partition, mountPoint: string, things: Belongings): void {
  mkdirSync(mountPoint, { recursive: true });
  const loop = '/dev/loop0';
  for (const module of ['loop', 'ext4']) run('modprobe', [module]);
  must(run, 'losetup', ['-o', String(root.start), loop, device]);
  try {
    must(run, 'mount', ['-t', 'ext4', loop, mountPoint]);
    try {
      place(mountPoint, things);
    } finally {
      must(run, 'umount', [mountPoint]);
    }
  } finally {
    must(run, 'losetup', ['-d', loop]);
  }
}

/** Writes the belongings below a root folder: the identity can be read by its owner only. */
export function place(root: string, { state, config }: Belongings): void {
  const directory = join(root, STATE);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
  for (const [name, text] of Object.entries(state)) writeDurably(join(directory, name), text, 0o600);
  mkdirSync(join(root, 'etc/machinedb'), { recursive: true });
  writeFileSync(join(root, 'etc/machinedb/agent.json'), config, { mode: 0o644 });
  configureCloudInit(root);
}
