import type { System } from '../system.ts';

export type PackageManager = 'apt' | 'dnf';

/** The package managers of a machine, by the folders of their settings. One machine may have both. */
export function packageManagersOf(system: System): Set<PackageManager> {
  const has = (path: string) => system.real(path) !== undefined;
  const found = new Set<PackageManager>();
  if (has('/etc/apt')) found.add('apt');
  if (has('/etc/dnf') || has('/etc/yum.repos.d')) found.add('dnf');
  return found;
}
