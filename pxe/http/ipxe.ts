import type { BootAnswer } from '../../shared/boot.ts';

/** What every iPXE is sent first: it asks again with all it knows of its machine, and never gives up. */
export function firstScript(url: string): string {
  return `#!ipxe
set tries:int32 0
:ask
chain --replace --autofree ${url}/boot/script?mac=\${netX/mac}&buildarch=\${buildarch}&platform=\${platform}&uuid=\${uuid}&serial=\${serial:uristring} || goto again
:again
inc tries
echo machinedb: the boot service does not answer: asked again in 5 s
sleep 5
iseq \${tries} 60 || goto ask
reboot
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
        ? `#!ipxe\n${why}\nexit 1\n`
        : `#!ipxe\n${why}\nsanboot --no-describe --drive 0x80 || exit\n`;
    case 'wait':
      return `#!ipxe\n${why}\nsleep ${spec.seconds}\nchain --replace --autofree ${url}/boot/ipxe || reboot\n`;
    case 'linux': {
      const words = ['initrd=initrd', ...spec.arguments, ...more, `BOOTIF=01-\${netX/mac:hexhyp}`];
      return `#!ipxe
${why}
kernel ${url}/files/${spec.kernel} ${words.join(' ')} || goto failed
initrd --name initrd ${url}/files/${spec.initrd} || goto failed
boot || goto failed
:failed
echo machinedb: the image could not be started: asked again in 5 s
sleep 5
chain --replace --autofree ${url}/boot/ipxe || reboot
`;
    }
  }
}
