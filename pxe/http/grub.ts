import { type BootAnswer, ROOT_LABEL } from '../../shared/boot.ts';
import { printed } from './answer.ts';
import type { Pauses } from './pauses.ts';

/** What the name of a question begins with; the rest is the query of a URL. */
export const GRUB_QUESTION = 'boot/grub?';

/** The file that every signed GRUB fetches first. */
export const GRUB_FIRST = 'grub/grub.cfg';

/**
 * What GRUB_FIRST is answered with: it asks with all it knows of its machine, and never gives up. GRUB with a signature has no
 * HTTP, and loads no module: all it fetches comes by TFTP, which sheds by silence.
 *
 * @param server address of the boot service
 * @param pauses this machine's own. GRUB cannot count: all its pauses are as long as iPXE's third
 */
export function firstGrub(server: string, { firstS, moreS }: Pauses): string {
  const againS = firstS + 2 * moreS;
  return `smbios --type 1 --get-uuid 8 --set uuid
smbios --type 1 --get-string 7 --set serial
while true; do
  source "(tftp,${server})/${GRUB_QUESTION}mac=$net_default_mac&uuid=$uuid&serial=$serial"
  echo 'machinedb: asked again in ${againS} s'
  sleep ${againS}
done
`;
}

/** What the answer's configuration needs to know besides it. */
export interface RenderedGrub {
  /** Address of the boot service. */
  server: string;
  /** MAC that asks; undefined: it told none. */
  mac: string | undefined;
  /** Words that the boot service adds to the kernel's. */
  arguments: string[];
}

/** Where systems keep their loaders on the EFI system partition; the first that is found is started. */
const systems = [
  ...['debian', 'ubuntu', 'redhat', 'centos', 'rocky', 'almalinux', 'fedora', 'opensuse', 'sles'].map(
    (name) => `/EFI/${name}/shimx64.efi`,
  ),
  '/EFI/Microsoft/Boot/bootmgfw.efi',
  '/EFI/BOOT/BOOTX64.EFI',
];

/**
 * An answer as a GRUB configuration; when it ends, GRUB asks again. What comes from people or machines appears in it as typed
 * words in single quotes only (see kernelArgument): the reason is reduced to harmless characters.
 */
export function renderGrub({ spec, reason }: BootAnswer, { server, mac, arguments: more }: RenderedGrub): string {
  const why = `echo ${quoted(`machinedb: ${printed(reason)}`)}\n`;
  switch (spec.kind) {
    case 'local':
      return `${why}${spec.loader === undefined ? '' : ours}${theirs}`;
    case 'wait':
      return `${why}sleep ${spec.seconds}\n`;
    case 'linux': {
      const bootif = mac === undefined ? [] : [`BOOTIF=01-${mac.replaceAll(':', '-')}`];
      const words = [...spec.arguments, ...more, ...bootif].map(quoted);
      const file = (sha256: string) => `(tftp,${server})/files/${sha256}`;
      return `${why}if linux ${[file(spec.kernel), ...words].join(' ')}; then
  if initrd ${[spec.initrd, ...(spec.overlays ?? [])].map(file).join(' ')}; then boot; fi
fi
echo 'machinedb: the image could not be started'
`;
    }
  }
}

/** A disk of ours: this GRUB reads the one that is on it, and starts its kernel, which Debian has signed. */
const ours = `if search --no-floppy --set=root --label ${ROOT_LABEL}; then
  configfile ($root)/boot/grub/grub.cfg
fi
`;

/** Somebody else's disk: the loader of its system, which the firmware checks; without one, what the firmware tries next. */
const theirs = `for file in ${systems.join(' ')}; do
  if search --no-floppy --set=esp --file $file; then
    if chainloader ($esp)$file; then boot; fi
  fi
done
exit
`;

/** One word of GRUB's language. Throws for what its quotes cannot hold: nothing that got here may have it. */
function quoted(word: string): string {
  if (/['\n]/.test(word)) throw new Error(`${JSON.stringify(word)} cannot stand in a GRUB configuration`);
  return `'${word}'`;
}
