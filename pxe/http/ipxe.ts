import type { BootAnswer } from '../../shared/boot.ts';

/** Seconds between two questions, and questions after which a machine asks DHCP anew where the boot service is. */
const AGAIN_S = 5;
const TRIES = 12;

/**
 * What every iPXE is sent first: it asks again with all it knows of its machine, and never gives up. It does not go back to
 * the firmware: many a one tries the network for a minute, and then waits at a menu for a person.
 */
export function firstScript(url: string): string {
  return `#!ipxe
set tries:int32 0
:ask
chain --replace --autofree ${url}/boot/script?mac=\${netX/mac}&buildarch=\${buildarch}&platform=\${platform}&uuid=\${uuid}&serial=\${serial:uristring} ||
${askAgain('the boot service does not answer', 'ask')}`;
}

/** The end of a script: goes to `label` for ever, and now and then asks DHCP, for our address or the server's may have changed. */
function askAgain(why: string, label: string): string {
  return `echo machinedb: ${why}: asked again in ${AGAIN_S} s
sleep ${AGAIN_S}
inc tries
iseq \${tries} ${TRIES} || goto ${label}
set tries:int32 0
dhcp netX || goto ${label}
chain --replace --autofree \${filename} || goto ${label}
`;
}

/** What the answer's script needs to know besides it. */
export interface Rendered {
  /** http://HOST:PORT of the boot service. */
  url: string;
  /** pcbios or efi, as iPXE says it. */
  platform: string;
  /** Words that the boot service adds to the kernel's. */
  arguments: string[];
}

/**
 * An answer as an iPXE script. What comes from people or machines appears in it as typed words only (see kernelArgument):
 * the reason is reduced to harmless characters.
 */
export function renderIpxe({ spec, reason }: BootAnswer, { url, platform, arguments: more }: Rendered): string {
  const why = `echo machinedb: ${reason.replaceAll(/[^A-Za-z0-9 .,:()/_-]/g, '?').slice(0, 200)}`;
  switch (spec.kind) {
    case 'local':
      // UEFI goes on to its next boot option only after a failure: success ends in its menu (UEFI 2.10, section 3.1.1).
      // A BIOS goes on to its next device after exit, too, but several forget the disk: the first one is started by iPXE.
      return platform === 'efi'
        ? `#!ipxe\n${why}\n${spec.loader === undefined ? '' : `chain --autofree ${url}/files/${spec.loader} ||\n`}exit 1\n`
        : `#!ipxe\n${why}\nsanboot --no-describe --drive 0x80 || exit\n`;
    case 'wait':
      return `#!ipxe\n${why}\nsleep ${spec.seconds}\n${firstAgain(url)}`;
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
kernel ${url}/files/${spec.kernel} ${words.join(' ')} || goto failed
${parts.map(({ file, name }) => `initrd --name ${name} ${url}/files/${file} || goto failed`).join('\n')}
boot || goto failed
:failed
imgfree
echo machinedb: the image could not be started: asked again in ${AGAIN_S} s
sleep ${AGAIN_S}
${firstAgain(url)}`;
    }
  }
}

/** The end of an answer: the first script is fetched anew. */
function firstAgain(url: string): string {
  return `set tries:int32 0
:first
chain --replace --autofree ${url}/boot/ipxe ||
${askAgain('the boot service does not answer', 'first')}`;
}
