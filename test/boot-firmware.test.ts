import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Node } from '../shared/api/nodes.ts';
import { type AddressServer, startAddressServer } from './lab/address-server.ts';
import { BROWNFIELD, writeBrownfield } from './lab/brownfield.ts';
import type { Guest } from './lab/qemu.ts';
import { catalogue, emptyDisk, type Machine, openSite, powerOn, type Site } from './lab/site.ts';
import { until } from './lab/until.ts';

let site: Site;
beforeAll(async () => {
  site = await openSite();
  await catalogue(site, 'discovery');
  // A bridge whose every machine is off has no carrier, and the boot service no interface.
  site.network.join('10.77.0.9/24');
}, 500_000);
afterAll(() => site?.close());

type Seen = Node & { observed: { firmware?: { mode?: string; secure_boot?: boolean } } };

let made = 0;
/** A machine without a disk, and as small as the discovery image allows. */
function machineOf(name: string, firmware: Machine['firmware'], more: Partial<Machine> = {}): Machine {
  const mac = `52:54:00:4d:05:${String(++made).padStart(2, '0')}`;
  return { firmware, mac, serial: `LAB-FW-${name}`, processors: 1, memory: 640, ...more };
}

/** Powers a machine on until it was discovered; answers its node as the inventory shows it. */
async function discover(machine: Machine, look: (guest: Guest) => Promise<void> = async () => {}): Promise<Seen> {
  const started = performance.now();
  const guest = powerOn(site, machine);
  try {
    const line = await guest.line(/this machine is node/, 350_000);
    const node = await until(
      async () => await site.get<Seen>(`/v1/nodes/${/node ([0-9a-f-]{36})/.exec(line)![1]}`),
      ({ macs }) => macs.includes(machine.mac),
      { ms: 60_000, interval: 500 },
    );
    process.stderr.write(`${machine.serial} after ${((performance.now() - started) / 1000).toFixed(0)} s\n`);
    await look(guest);
    return node;
  } catch (error) {
    process.stderr.write(`${guest.console.slice(-60).join('\n')}\n`);
    throw error;
  } finally {
    await guest.close();
  }
}

/** What the boot service has sent since its daemon was last started: [how, what]. */
function sent(): [string, string][] {
  return site.harness.daemons[0].log.flatMap((line): [string, string][] => {
    if (!line.startsWith('{')) return [];
    const { msg, file, whole } = JSON.parse(line) as { msg: string; file?: string; whole?: boolean };
    return file !== undefined && whole === true ? [[msg, file]] : [];
  });
}

describe('iPXE is the loader', () => {
  test('BIOS by a loader over TFTP', async () => {
    expect(await discover(machineOf('BIOS', 'bios'))).toMatchObject({
      state: 'discovered',
      observed: { firmware: { mode: 'bios' } },
    });
    expect(sent()).toContainEqual(['TFTP', 'undionly.kpxe']);
  }, 400_000);

  test('UEFI by PXE', async () => {
    expect(await discover(machineOf('UEFI', 'uefi'))).toMatchObject({
      state: 'discovered',
      observed: { firmware: { mode: 'uefi' } },
    });
    expect(sent()).toContainEqual(['TFTP', 'snponly.efi']);
  }, 400_000);

  test('UEFI by HTTP', async () => {
    expect(await discover(machineOf('HTTP', 'uefi-http'))).toMatchObject({
      state: 'discovered',
      observed: { firmware: { mode: 'uefi' } },
    });
    expect(sent()).toContainEqual(['HTTP boot', 'snponly.efi']);
  }, 400_000);

  test('Secure Boot refuses it', async () => {
    const guest = powerOn(site, machineOf('REFUSED', 'secure-boot'));
    try {
      await guest.line(/failed to load Boot\d+ "UEFI PXEv4 .*: Access Denied/, 120_000);
    } finally {
      await guest.close();
    }
  }, 200_000);
});

describe('a medium', () => {
  test('BIOS by a CD that brings a join token', async () => {
    expect(await discover(machineOf('ISO-BIOS', 'bios', { medium: await makeMedium() }))).toMatchObject({
      state: 'approved',
      observed: { firmware: { mode: 'bios' } },
    });
  }, 400_000);

  test('UEFI with Secure Boot by a CD; a machine that has a system of its own is powered off, not booted again and again', async () => {
    const disk = emptyDisk(site, 'medium-disk');
    writeBrownfield(site, disk);
    const machine = machineOf('ISO-UEFI', 'secure-boot', { medium: await makeMedium(), disk, processors: 2 });
    const node = await discover(machine, async (guest) => {
      await guest.line(/take the medium out, and power the machine on/, 60_000);
      await until(
        async () => guest.isRunning(),
        (running) => !running,
        { ms: 30_000, interval: 500 },
      );
      expect(guest.console.filter((line) => line.includes(BROWNFIELD))).toEqual([]);
    });
    expect(node).toMatchObject({ state: 'approved', observed: { firmware: { mode: 'uefi', secure_boot: true } } });
  }, 400_000);
});

/** A medium as an SRE makes it. */
async function makeMedium(): Promise<string> {
  const { token } = await site.machinedb<{ token: string }>(
    'join-token',
    'create',
    '--uses',
    '1',
    '--expires-in',
    '3600',
  );
  const file = join(site.directory, `join-token-${made}`);
  writeFileSync(file, `${token}\n`, { mode: 0o600 });
  const out = join(site.directory, `medium-${made}.iso`);
  expect(await site.machinedb('image', 'iso', '--out', out, '--join-token-file', file)).toEqual({ out });
  return out;
}

/** Starts the boot service anew, with other settings. */
async function startAnew(environment: NodeJS.ProcessEnv): Promise<void> {
  await site.harness.kill(0);
  await site.harness.start(0, environment);
}

describe('shim is the loader', () => {
  beforeAll(() => startAnew({ MACHINEDB_PXE_LOADER: 'shim' }));

  test('Secure Boot starts shim, GRUB and the signed kernel', async () => {
    expect(await discover(machineOf('SECURE', 'secure-boot'))).toMatchObject({
      state: 'discovered',
      observed: { firmware: { mode: 'uefi', secure_boot: true } },
    });
    const { kernel, initrd } = site.images.discovery.files;
    const files = [
      ['shimx64.efi'],
      ['grubx64.efi'],
      ['grub/grub.cfg'],
      [`files/${kernel!.sha256}`],
      [`files/${initrd!.sha256}`],
    ];
    for (const [file] of files) expect(sent().map(([, name]) => name.replace(/^\/+/, ''))).toContain(file);
  }, 400_000);
});

// Last: from here on somebody else gives the addresses.
describe('beside another DHCP server', () => {
  /** What the site says of addresses is another's to say. */
  const beside = { MACHINEDB_PXE_DHCP: 'proxy', MACHINEDB_PXE_POOL: undefined, MACHINEDB_PXE_ROUTER: undefined };
  let others: AddressServer;
  beforeAll(async () => {
    await startAnew(beside);
    others = await startAddressServer(site);
  });
  afterAll(() => others?.close());

  /** It is discovered, with an address of theirs and a loader of ours. */
  async function discoverBeside(name: string, firmware: Machine['firmware'], file: [string, string]): Promise<void> {
    const machine = machineOf(name, firmware);
    expect(await discover(machine)).toMatchObject({ state: 'discovered' });
    expect(others.leaseOf(machine.mac)).toMatch(/^10\.77\.0\.2[0-4]\d$/);
    expect(sent()).toContainEqual(file);
  }

  test('BIOS by a loader over TFTP', async () => {
    await discoverBeside('PROXY-BIOS', 'bios', ['TFTP', 'undionly.kpxe']);
  }, 400_000);

  test('UEFI by PXE', async () => {
    await discoverBeside('PROXY-UEFI', 'uefi', ['TFTP', 'snponly.efi']);
  }, 400_000);

  test('UEFI by HTTP', async () => {
    await discoverBeside('PROXY-HTTP', 'uefi-http', ['HTTP boot', 'snponly.efi']);
  }, 400_000);
});
