import type { BootAnswer } from '../../shared/boot.ts';
import { printed } from './answer.ts';
import type { Pauses } from './pauses.ts';

/** Questions after which a machine asks DHCP anew where the boot service is, and its pauses begin anew. */
const TRIES = 6;

/**
 * What every iPXE is sent first: it asks again with all it knows of its machine, and never gives up. It does not go back to
 * the firmware: many a one tries the network for a minute, and then waits at a menu for a person.
 */
export function firstScript(url: string, pauses: Pauses): string {
  return `#!ipxe
${counters(pauses)}:ask
chain --replace --autofree ${url}/boot/script?mac=\${netX/mac}&buildarch=\${buildarch}&platform=\${platform}&uuid=\${uuid}&serial=\${serial:uristring} ||
${askAgain('the boot service does not answer', 'ask', pauses)}`;
}

/** iPXE keeps its settings from one script to the next: pauses go on growing over scripts, until something starts. */
const counters = ({ firstS }: Pauses) =>
  `isset \${tries} || set tries:int32 0\nisset \${pause} || set pause:int32 ${firstS}\n`;

/** Waits, longer each time, and goes to `label`; after the last try it goes on below, and begins with short pauses again. */
const pauseAndGo = (
  why: string,
  label: string,
  { firstS, moreS }: Pauses,
) => `echo machinedb: ${why}: asked again in \${pause} s
sleep \${pause}
inc pause ${moreS}
inc tries
iseq \${tries} ${TRIES} || goto ${label}
set tries:int32 0
set pause:int32 ${firstS}
`;

/** The end of a script: goes to `label` for ever, and now and then asks DHCP, for our address or the server's may have changed. */
const askAgain = (
  why: string,
  label: string,
  pauses: Pauses,
) => `${pauseAndGo(why, label, pauses)}dhcp netX || goto ${label}
chain --replace --autofree \${filename} || goto ${label}
`;

/** What the answer's script needs to know besides it. */
export interface Rendered {
  /** http://HOST:PORT of the boot service. */
  url: string;
  /** pcbios or efi, as iPXE says it. */
  platform: string;
  /** Words that the boot service adds to the kernel's. */
  arguments: string[];
  pauses: Pauses;
}

/**
 * An answer as an iPXE script. What comes from people or machines appears in it as typed words only (see kernelArgument):
 * the reason is reduced to harmless characters.
 */
export function renderIpxe({ spec, reason }: BootAnswer, { url, platform, arguments: more, pauses }: Rendered): string {
  const why = `echo machinedb: ${printed(reason)}`;
  switch (spec.kind) {
    case 'local':
      // UEFI goes on to its next boot option only after a failure: success ends in its menu (UEFI 2.10, section 3.1.1).
      // A BIOS goes on to its next device after exit, too, but several forget the disk: the first one is started by iPXE.
      return platform === 'efi'
        ? `#!ipxe\n${why}\n${spec.loader === undefined ? '' : `chain --autofree ${url}/files/${spec.loader} ||\n`}exit 1\n`
        : `#!ipxe\n${why}\nsanboot --no-describe --drive 0x80 || exit\n`;
    case 'wait':
      return `#!ipxe\n${why}\nsleep ${spec.seconds}\n${counters(pauses)}${firstAgain(url, pauses)}`;
    case 'linux': {
      const parts = [spec.initrd, ...(spec.overlays ?? [])].map((file, i) => ({ file, name: `initrd${i || ''}` }));
      const words = [
        ...parts.map(({ name }) => `initrd=${name}`),
        ...spec.arguments,
        ...more,
        `BOOTIF=01-\${netX/mac:hexhyp}`,
      ];
      return `#!ipxe
${why}
${counters(pauses)}:kernel
kernel ${url}/files/${spec.kernel} ${words.join(' ')} || goto kernel_again
${parts.map(({ file, name }) => `:${name}\ninitrd --name ${name} ${url}/files/${file} || goto ${name}_again`).join('\n')}
boot || goto failed
:kernel_again
${pauseAndGo('the kernel could not be had', 'kernel', pauses)}goto anew
${parts.map(({ name }) => `:${name}_again\n${pauseAndGo('the initramfs could not be had', name, pauses)}goto anew`).join('\n')}
:failed
${pauseAndGo('the image could not be started', 'anew', pauses)}:anew
imgfree
${firstAgain(url, pauses)}`;
    }
  }
}

/** The end of an answer: the first script is fetched anew. */
function firstAgain(url: string, pauses: Pauses): string {
  return `:first
chain --replace --autofree ${url}/boot/ipxe ||
${askAgain('the boot service does not answer', 'first', pauses)}`;
}
