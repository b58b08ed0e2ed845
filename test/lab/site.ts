import { constants, copyFileSync, cpSync, existsSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SignedImage } from '../../shared/boot.ts';
import { type Harness, startHarness } from '../harness.ts';
import type { Ended } from '../program.ts';
import { CENTRE, openCentre } from './centre.ts';
import { type LabImages, labImages, labImagesFolder } from './images.ts';
import { type LabNetwork, openNetwork } from './network.ts';
import { type Guest, startGuest } from './qemu.ts';

const root = join(import.meta.dirname, '../..');
export const SERVER = '10.77.0.1';

/** A site: two daemons, the first with the boot service, and machines on its network. */
export interface Site {
  network: LabNetwork;
  /** Where the daemons are, and people who speak with them: the same, or one behind a relay. */
  centre: LabNetwork;
  harness: Harness;
  images: LabImages;
  directory: string;
  /** Runs a command as an SRE does; the answer of --json. Throws with what it said when it fails. */
  machinedb<Reply = unknown>(...args: string[]): Promise<Reply>;
  /** Reads the API as a person's token may: without a command's start, for what is asked again and again. */
  get<Reply>(path: string): Promise<Reply>;
  /** As machinedb, but how it ended. */
  command(...args: string[]): Promise<Ended>;
  close(): Promise<void>;
}

export interface SiteOptions {
  /** False: without our boot service. */
  pxe?: boolean;
  /** The daemons are in a network behind the machines', where only what has a foot in both reaches them. */
  apart?: boolean;
  /** The images' files are a copy of the site's own, for a test that damages them. */
  ownImages?: boolean;
}

/** Opens a site; its images are built when asked for, and catalogued by catalogue(). */
export async function openSite({ pxe = true, apart = false, ownImages = false }: SiteOptions = {}): Promise<Site> {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-site-'));
  const folder = ownImages ? copyImages(join(directory, 'images')) : labImagesFolder();
  const network = openNetwork(`${SERVER}/24`);
  const centre = apart ? openCentre(network) : network;
  const harness = await startHarness({
    host: apart ? CENTRE : SERVER,
    inside: centre.inside,
    // A look at the machine is a second's work in emulation; tasks five times a second would be a tenth of what this machine can do.
    environment: { MACHINEDB_IMAGES: folder, MACHINEDB_HEARTBEAT_MS: '6000', MACHINEDB_TASK_MS: '1000' },
    first: pxe
      ? { MACHINEDB_PXE: 'br0', MACHINEDB_PXE_POOL: '10.77.0.100-10.77.0.150', MACHINEDB_PXE_ROUTER: SERVER }
      : {},
  });
  const command = (...args: string[]) => {
    const daemon = nextDaemon(harness);
    const environment = { MACHINEDB_URL: daemon.url, MACHINEDB_STATE: daemon.stateDirectory };
    return centre.run(join(root, 'machinedb/bin/machinedb'), args, {
      ...environment,
      MACHINEDB_TOKEN_FILE: join(harness.daemons[0].stateDirectory, 'operator.token'),
      MACHINEDB_IMAGES: folder,
    });
  };
  const site: Site = {
    network,
    centre,
    harness,
    get images() {
      return { ...labImages(), directory: folder };
    },
    directory,
    command,
    get: async (path) => await curl(site, path, []),
    async machinedb(...args) {
      const { code, stdout, stderr } = await command(...args, '--json');
      if (code !== 0) throw new Error(`machinedb ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
      return JSON.parse(stdout) as never;
    },
    async close() {
      await harness.close();
      if (apart) centre.close();
      network.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  return site;
}

function copyImages(directory: string): string {
  cpSync(labImages().directory, directory, { recursive: true, mode: constants.COPYFILE_FICLONE });
  return directory;
}

/** Takes an image of the lab into the catalogue, as `image build` does at its end. */
export async function catalogue(site: Site, name: keyof Omit<LabImages, 'directory'>): Promise<SignedImage> {
  const manifest = site.images[name];
  const file = join(site.directory, `${manifest.name}.json`);
  writeFileSync(file, JSON.stringify(manifest));
  return await curl(site, `/v1/images/${manifest.name}`, [
    ...['-H', 'content-type: application/json', '-X', 'PUT', '--data-binary', `@${file}`],
  ]);
}

let turn = 0;
/** The daemons of a site are asked in turn. */
const nextDaemon = ({ daemons }: Harness) => daemons[turn++ % 2]!;

/** Asks a daemon. Throws with what it said when that is no reply. */
async function curl<Reply>({ harness, centre }: Site, path: string, words: string[]): Promise<Reply> {
  const daemon = nextDaemon(harness);
  const { code, stdout, stderr } = await centre.run('curl', [
    ...['-sS', '--fail-with-body', '--max-time', '60', '--retry', '3', '--retry-connrefused', '--retry-delay', '1'],
    ...['--cacert', join(daemon.stateDirectory, 'ca.pem'), '--connect-to', `machinedb::${new URL(daemon.url).host}`],
    ...['-H', `authorization: Bearer ${harness.daemons[0].connection.token}`, ...words, `https://machinedb${path}`],
  ]);
  if (code !== 0) throw new Error(`${path}: ${stderr}${stdout}`);
  return JSON.parse(stdout) as Reply;
}

export interface Machine {
  /** ipxe: a BIOS with iPXE in its card; uefi-http: it boots by HTTP only; secure-boot: it starts what Microsoft's keys vouch for. */
  firmware: 'bios' | 'ipxe' | 'uefi' | 'uefi-http' | 'secure-boot';
  mac: string;
  serial: string;
  /** File of its disk; undefined: it has none. */
  disk?: string;
  /** File of a medium in its drive, which it boots from. */
  medium?: string;
  /** With one processor QEMU's NVMe was once seen to answer no more, in a guest that had just begun: two are the default. */
  processors?: number;
  /** MB */
  memory?: number;
  /** QEMU's arguments besides. */
  more?: string[];
  /** Clock at power-on. */
  rtc?: string;
}

const DISK_BYTES = 3 * 1024 ** 3;

/** A disk of 3 GiB that was never written. */
export function emptyDisk(site: Site, name: string): string {
  const file = join(site.directory, name);
  writeFileSync(file, '');
  truncateSync(file, DISK_BYTES);
  return file;
}

/**
 * Powers a machine on. Its network card has no iPXE in it: UEFI boots by its own PXE, BIOS by a PXE stack that, like a card's
 * ROM, knows DHCP, ProxyDHCP and TFTP, and starts what they give it.
 */
export function powerOn(site: Site, machine: Machine): Guest {
  const all = [...hardware(site, machine), ...firmware(site, machine), ...(machine.more ?? [])];
  return startGuest(all, site.network.inside);
}

/** QEMU's arguments of a machine, without its firmware. */
export function hardware(site: Site, machine: Machine): string[] {
  const { mac, serial, disk, medium, processors = 2, memory = 1024 } = machine;
  return [
    `-m ${memory} -smp ${processors} -device virtio-rng-pci`,
    `-rtc base=${machine.rtc ?? '1970-01-01T00:00:00'}`,
    `-smbios type=1,manufacturer=LabMaker,product=LabServer,serial=${serial}`,
    `-netdev tap,id=n0,ifname=${site.network.tap()},script=no,downscript=no`,
    `-device virtio-net-pci,netdev=n0,mac=${mac},romfile=,bootindex=1`,
    // A second card whose cable leads to nobody.
    '-netdev hubport,id=n1,hubid=1',
    `-device e1000e,netdev=n1,mac=${mac.replace(/^52/, '56')},romfile=`,
    ...(disk === undefined
      ? []
      : [
          `-drive file=${disk},if=none,id=d0,format=raw,cache=unsafe,discard=unmap -device nvme,drive=d0,serial=${serial}-DISK,bootindex=2`,
        ]),
    ...(medium === undefined
      ? []
      : [
          `-drive file=${medium},if=none,id=cd0,format=raw,media=cdrom,readonly=on -device ide-cd,drive=cd0,bootindex=0`,
        ]),
  ].flatMap((line) => line.split(' '));
}

function firmware(site: Site, { firmware, serial, medium }: Machine): string[] {
  if (firmware === 'bios' && medium !== undefined) return [];
  if (firmware === 'ipxe') return ['-kernel', '/usr/lib/ipxe/ipxe.lkrn'];
  if (firmware === 'bios') {
    const script = join(site.directory, 'rom.ipxe');
    writeFileSync(script, ROM);
    return ['-kernel', '/usr/lib/ipxe/ipxe.lkrn', '-initrd', script];
  }
  const isSecure = firmware === 'secure-boot';
  const of = (name: string) => `/usr/share/OVMF/OVMF_${name}.fd`;
  const variables = join(site.directory, `${serial}.vars`);
  if (!existsSync(variables)) copyFileSync(of(isSecure ? 'VARS_4M.ms' : 'VARS_4M'), variables);
  // After the card's PXE the firmware tries its other ways before the disk; IPv6 takes a minute to give up.
  const without = ['IPv6PXESupport', ...(firmware === 'uefi-http' ? ['IPv4PXESupport'] : [])];
  return [
    ...['-drive', `if=pflash,format=raw,unit=0,readonly=on,file=${of(isSecure ? 'CODE_4M.secboot' : 'CODE_4M')}`],
    ...['-drive', `if=pflash,format=raw,unit=1,file=${variables}`],
    ...without.flatMap((name) => ['-fw_cfg', `name=opt/org.tianocore/${name},string=n`]),
    // The variables with the keys are written by the firmware alone, in system management mode.
    ...(isSecure ? ['-machine', 'smm=on', '-global', 'driver=cfi.pflash01,property=secure,value=on'] : []),
  ];
}

/**
 * A PXE ROM's work: DHCP as a card that is no iPXE, then the boot file by TFTP. It tells the loader what it was told, and with it
 * each of its own settings: a loader that believed itself to be no iPXE either would load itself once more, and each UNDI that
 * stands on another one takes twenty times as long for a packet.
 */
const ROM = `#!ipxe
:again
set user-class rom
dhcp net0 || goto wait
clear user-class
set server:ipv4 \${next-server}
isset \${proxydhcp/next-server} && set server:ipv4 \${proxydhcp/next-server} ||
echo LAB rom got \${filename} from \${server}
chain tftp://\${server}/\${filename} || goto wait
:wait
sleep 2
goto again
`;
