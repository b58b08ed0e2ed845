import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Change, changesTo } from './change.ts';
import { readText } from './files.ts';

export interface HostnameWanted {
  hostname: string;
  fqdn?: string;
}

/** /etc/hostname, and the line of /etc/hosts by which the machine finds its own name (Debian Policy: 127.0.1.1). */
export function planHostname(root: string, { hostname, fqdn }: HostnameWanted): Change[] {
  const line = `127.0.1.1\t${[fqdn, hostname].filter((name) => name !== undefined).join(' ')}`;
  const lines = (readText(root, '/etc/hosts') ?? '127.0.0.1\tlocalhost\n').replace(/\n*$/, '').split('\n');
  const at = lines.findIndex((each) => /^127\.0\.1\.1\s/.test(each));
  if (at >= 0) lines[at] = line;
  else lines.splice(lines.findIndex((each) => /^127\.0\.0\.1\s/.test(each)) + 1, 0, line);
  return changesTo(root, 'hostname', {
    '/etc/hostname': { text: `${hostname}\n`, mode: 0o644 },
    '/etc/hosts': { text: `${lines.join('\n')}\n`, mode: 0o644 },
  });
}

/** Makes the name of /etc/hostname the running kernel's. */
export function setHostname(root: string): void {
  const name = readText(root, '/etc/hostname')?.trim();
  if (name !== undefined && name !== '') writeFileSync(join(root, '/proc/sys/kernel/hostname'), name);
}
