import { existsSync, globSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './tools.ts';

export interface Unpacked {
  /** Folder with all packages in it, as they lie on a root file system. */
  folder: string;
  /** Package → version. */
  versions: Record<string, string>;
}

/**
 * Debian packages of the suite that this machine uses, unpacked together in `cache`; nothing is installed or configured. The
 * folder appears when it is whole, so that a fetch cut short is begun anew.
 */
export function fetchPackages(cache: string, names: string[]): Unpacked {
  const versions = Object.fromEntries(names.map((name) => [name, candidateOf(name)]));
  const key = Object.entries(versions).map(([name, version]) => `${name}_${version.replaceAll(/[^\w.+-]/g, '_')}`);
  const folder = join(cache, key.join('+').slice(0, 250));
  mkdirSync(cache, { recursive: true });
  if (existsSync(folder)) return { folder, versions };
  const work = mkdtempSync(join(cache, 'fetch-'));
  try {
    const exact = Object.entries(versions).map(([name, version]) => `${name}=${version}`);
    run('apt-get', ['download', '-q', ...exact], { cwd: work });
    for (const deb of globSync('*.deb', { cwd: work })) run('dpkg', ['-x', join(work, deb), join(work, 'all')]);
    renameSync(join(work, 'all'), folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return { folder, versions };
}

/** The version that apt would install. */
function candidateOf(name: string): string {
  const version = /^ {2}Candidate: (\S+)$/m.exec(run('apt-cache', ['policy', name]))?.[1];
  if (version === undefined || version === '(none)')
    throw new Error(`apt knows no package ${name}: run apt-get update`);
  return version;
}
