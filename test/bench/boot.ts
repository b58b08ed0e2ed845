import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { catalogue, emptyDisk, openSite, powerOn, SERVER, type Site } from '../lab/site.ts';
import { alternate, show, showRatio, time } from './measure.ts';

const ROUNDS = 3;

/** Power-on to discovered by UEFI, against dnsmasq and a static HTTP server that give out the same kernel and initramfs. */
export async function boot(): Promise<void> {
  const ours = await openSite();
  const theirs = await openSite({ pxe: false });
  try {
    await catalogue(ours, 'discovery');
    const stop = serveStatically(theirs);
    try {
      const measured = await alternate(ROUNDS, {
        ours: (round) => discovered(ours, round),
        theirs: (round) => discovered(theirs, round),
      });
      show('power-on to discovered, machinedb', measured.ours, 'ms');
      show('power-on to discovered, dnsmasq + static HTTP', measured.theirs, 'ms');
      showRatio('machinedb / dnsmasq', measured.ours, measured.theirs);
    } finally {
      stop();
    }
    const { kernel, initrd } = ours.images.discovery.files;
    show('size of the discovery image', [(kernel!.size + initrd!.size) / 1e6], 'MB');
  } finally {
    await ours.close();
    await theirs.close();
  }
}

async function discovered(site: Site, round: number): Promise<number> {
  const disk = emptyDisk(site, `disk${round}`);
  const mac = `52:54:00:4d:02:${(16 + round).toString(16)}`;
  const guest = powerOn(site, { firmware: 'uefi', mac, serial: `BENCH-${round}`, disk });
  try {
    return await time(() => guest.line(/this machine is node/, 300_000));
  } finally {
    await guest.close();
  }
}

/** The yardstick: the same files by other servers, and a script that never changes. */
function serveStatically({ network, images, directory, harness }: Site): () => void {
  const { kernel, initrd } = images.discovery.files;
  const [daemon] = harness.daemons;
  const tftp = join(directory, 'tftp');
  mkdirSync(tftp);
  copyFileSync('/usr/lib/ipxe/snponly.efi', join(tftp, 'snponly.efi'));
  const files = `http://${SERVER}:8000`;
  const words = [
    ...['initrd=initrd', 'quiet', 'console=ttyS0,115200', `machinedb.url=${daemon.url}`],
    ...[
      `machinedb.pin=${daemon.pins.join()}`,
      `machinedb.time=${Math.floor(Date.now() / 1000)}`,
      `machinedb.files=${files}`,
    ],
  ];
  writeFileSync(
    join(images.directory, 'files/static.ipxe'),
    `#!ipxe\nkernel ${files}/${kernel!.sha256} ${words.join(' ')}\ninitrd --name initrd ${files}/${initrd!.sha256}\nboot\n`,
  );
  const run = (program: string, args: string[]) =>
    spawn(network.inside[0]!, [...network.inside.slice(1), program, ...args], { stdio: 'ignore' });
  const children = [
    run('busybox', ['httpd', '-f', '-p', `${SERVER}:8000`, '-h', join(images.directory, 'files')]),
    run('dnsmasq', [
      ...['-k', '-C', '/dev/null', '--port=0', '--interface=br0', '--bind-interfaces', '--user=root', '--pid-file='],
      ...['--dhcp-range=10.77.0.100,10.77.0.150,255.255.255.0,10m', '--dhcp-leasefile=/dev/null', '--no-ping'],
      ...[
        '--enable-tftp',
        `--tftp-root=${tftp}`,
        '--dhcp-userclass=set:ipxe,iPXE',
        '--dhcp-option-force=encap:175,176,1b',
      ],
      ...['--dhcp-boot=tag:!ipxe,snponly.efi', `--dhcp-boot=tag:ipxe,${files}/static.ipxe`],
    ]),
  ];
  return () => {
    for (const child of children) child.kill('SIGKILL');
  };
}
