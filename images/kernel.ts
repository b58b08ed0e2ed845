import { globSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './tools.ts';

export interface Kernel {
  /** Folder in which the package is unpacked: boot/, lib/modules/. */
  folder: string;
  version: string;
  package: { name: string; version: string };
}

/**
 * Debian's kernel of the suite that this machine uses, unpacked in `cache`; nothing is installed. The folder appears when it
 * is whole, so that a fetch cut short is begun anew.
 */
export function fetchKernel(cache: string): Kernel {
  const name = /Depends: (linux-image-\S+)/.exec(run('apt-cache', ['depends', 'linux-image-amd64']))?.[1];
  if (name === undefined) throw new Error('apt knows no linux-image-amd64: run apt-get update');
  const version = /^Version: (.*)$/m.exec(run('apt-cache', ['show', '--no-all-versions', name]))![1]!;
  const folder = join(cache, `${name}_${version.replaceAll(/[^\w.+-]/g, '_')}`);
  mkdirSync(cache, { recursive: true });
  if (globSync('boot/vmlinuz-*', { cwd: folder }).length === 0) {
    const work = mkdtempSync(join(cache, 'fetch-'));
    try {
      run('apt-get', ['download', '-q', `${name}=${version}`], { cwd: work });
      const unpacked = join(work, 'kernel');
      run('dpkg', ['-x', join(work, globSync('*.deb', { cwd: work })[0]!), unpacked]);
      run('depmod', ['-b', unpacked, name.replace('linux-image-', '')]);
      rmSync(folder, { recursive: true, force: true });
      renameSync(unpacked, folder);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  return { folder, version: name.replace('linux-image-', ''), package: { name, version } };
}
