import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Entry } from '../cpio.ts';
import { fetchPackages } from '../packages.ts';
import { run } from '../tools.ts';

/** sshd and ssh-keygen, and the one library of theirs that is on few systems. */
const packages = ['openssh-server', 'openssh-client', 'libwrap0'];
const programs = ['usr/sbin/sshd', 'usr/bin/ssh-keygen'];

/** Who there is in the image. Root has no password: `*` is none that anything could be. */
const accounts = {
  passwd: 'root:x:0:0:root:/root:/bin/sh\nsshd:x:100:65534:sshd:/run/sshd:/bin/false\n',
  group: 'root:x:0:\nnogroup:x:65534:\n',
  shadow: 'root:*:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\n',
  shells: '/bin/sh\n',
};

/** The part of the discovery image with the SSH server: a rescue unpacks it over the rest, and no other boot fetches it. */
export function rescueEntries(cache: string): { entries: Entry[]; packages: Record<string, string> } {
  const { folder, versions } = fetchPackages(cache, packages);
  const file = (from: string, path: string, mode = 0o755): Entry => ({
    ...{ kind: 'file', path, mode },
    data: readFileSync(from),
  });
  const entries: Entry[] = [
    { kind: 'folder', path: 'root', mode: 0o700 },
    ...programs.map((path) => file(join(folder, path), path)),
    ...librariesOf(folder).map(({ from, path }) => file(from, path)),
    ...Object.entries(accounts).map(
      ([name, text]): Entry => ({
        ...{ kind: 'file', path: `etc/${name}`, mode: name === 'shadow' ? 0o600 : 0o644 },
        data: Buffer.from(text),
      }),
    ),
  ];
  return { entries, packages: versions };
}

/** What the programs are linked with: of the packages where they have it, else of this machine. */
function librariesOf(folder: string): { from: string; path: string }[] {
  const own = ['lib', 'usr/lib'].map((lib) => join(folder, lib, 'x86_64-linux-gnu')).join(':');
  const said = programs.map((path) => run('ldd', [join(folder, path)], { env: { LD_LIBRARY_PATH: own } })).join('');
  const absent = [...said.matchAll(/^\s*(\S+) => not found/gm)].map(([, name]) => name);
  if (absent.length > 0)
    throw new Error(
      `an image needs libraries that are not here: ${absent.join(', ')}; apt-get install openssh-server has them`,
    );
  const paths = new Set([...said.matchAll(/(?:=> |^\s+)(\/\S+) \(/gm)].map(([, path]) => path!));
  return [...paths].map((from) => ({ from, path: from.replace(folder, '').slice(1) }));
}
