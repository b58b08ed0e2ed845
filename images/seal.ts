import { lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Folders of a system in which something of one machine, or a secret of the builder, could stand. */
export const sealed = ['etc', 'root', 'home', 'srv', 'opt', 'var'];

const LARGEST = 1024 * 1024;
const PRIVATE_KEY = /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----|PuTTY-User-Key-File/;

/** What no golden image may hold, by path. */
const forbidden: [RegExp, string][] = [
  [/^etc\/ssh\/ssh_host_/, 'an SSH host key'],
  [/^var\/lib\/machinedb-agent\/./, "a node's identity or state"],
  [/^etc\/machinedb\/agent\.json$/, 'the address of a server'],
  [/^var\/lib\/systemd\/random-seed$/, 'a seed of random numbers'],
  [/^var\/lib\/dbus\/machine-id$/, 'a machine id'],
  [/^(?:root|home\/[^/]+)\/\.(?:bash_history|ssh\/.+|gnupg\/.+|netrc|aws\/.+|kube\/.+)$/, "somebody's files"],
];

/**
 * Everything in a root folder that would make all machines installed from it alike, or give a secret away. Empty: the image
 * is sealed. Each line names the file and what it is.
 */
export function sealViolations(root: string): string[] {
  const violations: string[] = [];
  const id = read(join(root, 'etc/machine-id'));
  if (id !== undefined && id.trim() !== '' && id.trim() !== 'uninitialized')
    violations.push('etc/machine-id: a machine id');
  for (const folder of sealed) {
    for (const path of walk(root, folder)) {
      const named = forbidden.find(([pattern]) => pattern.test(path))?.[1];
      if (named !== undefined) violations.push(`${path}: ${named}`);
      else if (PRIVATE_KEY.test(read(join(root, path)) ?? '')) violations.push(`${path}: a private key`);
    }
  }
  return violations;
}

function* walk(root: string, folder: string): Generator<string> {
  let names: string[];
  try {
    names = readdirSync(join(root, folder)).sort();
  } catch {
    return;
  }
  for (const name of names) {
    const path = `${folder}/${name}`;
    const stat = lstatSync(join(root, path));
    if (stat.isDirectory()) yield* walk(root, path);
    else if (stat.isFile()) yield path;
  }
}

/** Text of a regular file that is not too large to hold a key. */
function read(path: string): string | undefined {
  try {
    const stat = statSync(path);
    return stat.isFile() && stat.size <= LARGEST ? readFileSync(path, 'latin1') : undefined;
  } catch {
    return undefined;
  }
}
