import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** A clone that another user can read and run: this one, or a copy when it lies where only its owner can enter. */
export function readableClone(uid: number): string {
  const readable =
    spawnSync(process.execPath, [join(root, 'machinedb/config.ts')], { uid, gid: uid, cwd: '/' }).status === 0;
  if (readable) return root;
  const copy = mkdtempSync(join(tmpdir(), 'machinedb-clone-'));
  afterAll(() => rmSync(copy, { recursive: true, force: true }));
  const parts = ['agent', 'machinedb', 'shared', 'dist', 'package.json', 'package-lock.json', 'node_modules'];
  for (const [command, ...args] of [
    ['cp', '-a', ...parts.map((part) => join(root, part)), copy],
    ['chmod', '-R', 'a+rX', copy],
  ]) {
    const { status, stderr } = spawnSync(command!, args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
  }
  chmodSync(copy, 0o755);
  return copy;
}
