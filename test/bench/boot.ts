import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeInitramfs } from '../lab/initramfs.ts';
import { startGuest } from '../lab/qemu.ts';
import { emptyDisk, hardware, powerOn, SERVER, type Site } from '../lab/site.ts';
import { openStory, type Story } from '../lab/story.ts';
import { alternate, show, showRatio, time } from './measure.ts';

const ROUNDS = 3;

/** Power-on to discovered by UEFI, against dnsmasq and a static HTTP server that give out the same kernel and initramfs. */
export async function boot(): Promise<void> {
  await beside(async (ours, theirs) => {
    const found = await alternate(ROUNDS, {
      ours: (round) => discovered(ours.site, round),
      theirs: (round) => discovered(theirs.site, round),
    });
    show('power-on to discovered, machinedb', found.ours, 'ms');
    show('power-on to discovered, dnsmasq + static HTTP', found.theirs, 'ms');
    showRatio('machinedb / dnsmasq', found.ours, found.theirs);
    const { kernel, initrd } = ours.site.images.discovery.files;
    show('size of the discovery image', [(kernel!.size + initrd!.size) / 1e6], 'MB');
  });
}

/** Power-on to active against the same, and an install against the shell's pipe in a guest of the same hardware. */
export async function install(): Promise<void> {
  await beside(async (ours, theirs, yardstick) => {
    const installs: number[] = [];
    const whole = await alternate(1, {
      ours: () => activated(ours, installs, () => {}),
      theirs: () => activated(theirs, [], yardstick.toDisk),
    });
    show('power-on to active, machinedb', whole.ours, 'ms');
    show('power-on to active, dnsmasq + static HTTP', whole.theirs, 'ms');
    showRatio('machinedb / dnsmasq', whole.ours, whole.theirs);
    const piped = [await pipe(theirs.site)];
    show('install, machinedb', installs, 'ms');
    show('wget | zstd -d | dd', piped, 'ms');
    showRatio('machinedb / pipe', installs, piped);
  });
}

type Yardstick = ReturnType<typeof serveStatically>;

async function beside(measure: (ours: Story, theirs: Story, yardstick: Yardstick) => Promise<void>): Promise<void> {
  const ours = await openStory();
  const theirs = await openStory({ pxe: false });
  try {
    const yardstick = serveStatically(theirs.site);
    try {
      await measure(ours, theirs, yardstick);
    } finally {
      yardstick.stop();
    }
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

/** @param installs gets how long the install took, milliseconds */
async function activated(story: Story, installs: number[], toDisk: () => void): Promise<number> {
  const disk = emptyDisk(story.site, 'active');
  const started = performance.now();
  const { node, fingerprint, guest } = await story.discover({
    ...{ firmware: 'uefi', mac: '52:54:00:4d:02:40', serial: 'BENCH-ACTIVE', disk },
  });
  try {
    await story.order(node, fingerprint, 'bench.lab.example.org', '10.77.0.40');
    await guest.line(/install \d+ of .* begins/, 60_000);
    installs.push(await time(() => guest.line(/installed: starting the disk/, 300_000)));
    toDisk();
    await story.reach(node, 'active');
    return performance.now() - started;
  } catch (error) {
    console.error(guest.console.slice(-40).join('\n'));
    throw error;
  } finally {
    await guest.close();
  }
}

/** The same image to the same kind of disk, with the tools of a shell. */
async function pipe(site: Site): Promise<number> {
  const image = `http://${SERVER}:8000/${site.images.baseOs.files.disk!.sha256}`;
  const { kernel, initrd } = makeInitramfs(
    site.directory,
    '/usr/bin/zstd',
    `echo PIPE begins; wget -q -O - ${image} | /machinedb-agent -dc | dd of=/dev/nvme0n1 bs=1M conv=fsync; echo PIPE ends; sleep 999`,
  );
  const machine = { mac: '52:54:00:4d:02:50', serial: 'BENCH-PIPE', disk: emptyDisk(site, 'pipe') };
  const start = ['-kernel', kernel, '-initrd', initrd, '-append', 'console=ttyS0,115200 quiet'];
  const guest = startGuest([...hardware(site, { ...machine, firmware: 'bios' }), ...start], site.network.inside);
  try {
    await guest.line(/PIPE begins/, 120_000);
    return await time(() => guest.line(/PIPE ends/, 300_000));
  } finally {
    await guest.close();
  }
}

/** The yardstick: the same files by other servers, and a script that never changes. */
function serveStatically({ network, images, directory, harness }: Site): { toDisk: () => void; stop: () => void } {
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
  const script = join(images.directory, 'files/static.ipxe');
  writeFileSync(
    script,
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
  return {
    // As a careful admin would: firmware that is left to itself tries the network again first.
    toDisk: () => writeFileSync(script, `#!ipxe\nchain ${files}/${images.discovery.files.loader!.sha256}\n`),
    stop() {
      for (const child of children) child.kill('SIGKILL');
    },
  };
}
