import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { disks } from '../shared/sections/disks.ts';
import { gpus } from '../shared/sections/gpus.ts';
import { lldp } from '../shared/sections/lldp.ts';
import { nics } from '../shared/sections/nics.ts';
import { pci } from '../shared/sections/pci.ts';
import { observeEach } from './facts.ts';
import { parseLldpctl } from './parse/lldpctl.ts';
import { parseNvidiaSmi } from './parse/nvidia-smi.ts';
import { parseNvlink } from './parse/nvlink.ts';
import { parseSmartctl } from './parse/smartctl.ts';
import { parseXml } from './parse/xml.ts';
import { observers } from './sections/index.ts';
import { ANSWERS, openSystem } from './system.ts';
import { makeTree, type Tree } from './testing/tree.ts';

const { pci: observePci, gpus: observeGpus, nics: observeNics, lldp: observeLldp, disks: observeDisks } = observers;
const table = { pci: observePci, gpus: observeGpus, nics: observeNics, lldp: observeLldp, disks: observeDisks };
const schemas = {
  pci: pci.observed,
  gpus: gpus.observed,
  nics: nics.observed,
  lldp: lldp.observed,
  disks: disks.observed,
};

const gpu = '/sys/devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0';
const nic = '/sys/devices/pci0000:3a/0000:3a:01.0';
const disk = `${nic}/ata1/host0/target0:0:0/0:0:0:0`;
/** Every file that the five sections read, by a machine that has each of them. */
const files: Record<string, string> = {
  [`${gpu}/class`]: '0x030200\n',
  [`${gpu}/vendor`]: '0x10de\n',
  [`${gpu}/numa_node`]: '0\n',
  [`${gpu}/local_cpulist`]: '0-3\n',
  [`${gpu}/current_link_speed`]: '8.0 GT/s PCIe\n',
  [`${gpu}/max_link_width`]: '16\n',
  [`${gpu}/sriov_totalvfs`]: '8\n',
  [`${gpu}/sriov_numvfs`]: '1\n',
  [`${gpu}/mem_info_vram_total`]: '1024\n',
  [`${nic}/uevent`]: 'PCI_CLASS=20000\nPCI_ID=8086:1521\n',
  [`${nic}/net/eth0/address`]: '52:54:00:12:34:56\n',
  [`${nic}/net/eth0/addr_assign_type`]: '0\n',
  [`${nic}/net/eth0/ifindex`]: '2\n',
  [`${nic}/net/eth0/mtu`]: '1500\n',
  [`${nic}/net/eth0/carrier`]: '1\n',
  [`${nic}/net/eth0/type`]: '1\n',
  [`${nic}/infiniband/mlx5_0/fw_ver`]: '1.2.3\n',
  [`${nic}/infiniband/mlx5_0/node_guid`]: '0002:c903:00f9:bfa0\n',
  [`${disk}/model`]: 'ST1\n',
  [`${disk}/vpd_pg80`]: '\0\x80\0\x04ABCD',
  [`${disk}/block/sda/size`]: '2048\n',
  [`${disk}/block/sda/wwid`]: 'naa.5000c500a1b2c3d4\n',
  [`${disk}/block/sda/queue/rotational`]: '1\n',
  [`${disk}/block/sda/sda1/partition`]: '1\n',
  [`${disk}/block/sda/sda1/size`]: '2048\n',
  '/sys/bus/pci/slots/1/address': '0000:3b:00\n',
  '/proc/driver/nvidia/version': 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.54.03\n',
  '/proc/driver/nvidia/gpus/0000:3b:00.0/information': 'Model: A100\n',
  '/run/systemd/netif/lldp/2': 'x',
  [`${ANSWERS}/nvidia-smi.xml`]: '<nvidia_smi_log><gpu id="00000000:3B:00.0"><uuid>GPU-1</uuid></gpu></nvidia_smi_log>',
  [`${ANSWERS}/nvidia-smi-nvlink`]: 'GPU 0: A100 (UUID: GPU-1)\n',
  [`${ANSWERS}/lldpctl.xml`]: '<lldp></lldp>',
  [`${ANSWERS}/smartctl-sda.json`]: '{"serial_number":"S1"}',
  [`${ANSWERS}/ethtool-i-eth0`]: 'driver: mlx5_core\nfirmware-version: 1.2.3\n',
  [`${ANSWERS}/ethtool-P-eth0`]: 'Permanent address: b8:3f:d2:00:00:01\n',
};
const links: Tree = {
  '/sys/bus/pci/devices/0000:3b:00.0': { link: `../../..${gpu.slice(4)}` },
  '/sys/bus/pci/devices/0000:3a:01.0': { link: `../../..${nic.slice(4)}` },
  '/sys/class/net/eth0': { link: `../..${nic.slice(4)}/net/eth0` },
  '/sys/block/sda': { link: `..${disk.slice(4)}/block/sda` },
};

/** What the five sections say of a machine with these files; each section must be of its schema, or an error with a text. */
function look(root: string) {
  const { sections, errors } = observeEach(table, openSystem(root));
  for (const [name, schema] of Object.entries(schemas))
    if (name in sections) expect(schema.parse(sections[name])).toEqual(sections[name]);
  for (const message of Object.values(errors)) expect(message).toMatch(/\S/);
  return { sections, errors };
}

test('the machine of these tests says something in every section but lldp', () => {
  const { sections, errors } = look(makeTree({ ...files, ...links }));
  expect(errors).toEqual({});
  expect(Object.keys(sections)).toEqual(['pci', 'gpus', 'nics', 'disks']);
});

const garbage = Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 167 + (index >> 3)) % 256));
const bad: Record<string, (place: string) => void> = {
  empty: (place) => writeFileSync(place, ''),
  garbage: (place) => writeFileSync(place, garbage),
  'a folder': (place) => mkdirSync(place),
  'a FIFO': (place) => execFileSync('mkfifo', [place]),
};

test.for(Object.keys(files))('%s missing, empty, garbage, a folder, or a FIFO', (file) => {
  const { [file]: _, ...others } = files;
  look(makeTree({ ...others, ...links }));
  const root = makeTree({ ...others, ...links, [`${file}.beside`]: '' });
  for (const spoil of Object.values(bad)) {
    rmSync(join(root, file), { recursive: true, force: true });
    spoil(join(root, file));
    const { sections, errors } = look(root);
    // Where one section fails, it says so, and the others stand.
    expect([...Object.keys(sections), ...Object.keys(errors)].length).toBeGreaterThanOrEqual(3);
  }
});

test.for([
  ['10 MB of letters', (place: string) => writeFileSync(place, 'a'.repeat(10_000_000))],
  ['100 MB', (place: string) => truncateSync(place, 100_000_000)],
] as const)('every file %s long, at once', ([, spoil]) => {
  const root = makeTree({ '/huge': '', ...links, ...files });
  spoil(join(root, 'huge'));
  for (const file of Object.keys(files)) {
    rmSync(join(root, file));
    linkSync(join(root, 'huge'), join(root, file));
  }
  const began = performance.now();
  look(root);
  expect(performance.now() - began).toBeLessThan(20_000);
});

/** Random numbers from a seed, so that what fails fails again (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const xml = `<?xml version="1.0"?><nvidia_smi_log><driver_version>1</driver_version><gpu id="00000000:41:00.0"><uuid>GPU-1</uuid>
<mig_mode><current_mig>Enabled</current_mig></mig_mode><mig_devices><mig_device><gpu_instance_id>0</gpu_instance_id></mig_device>
</mig_devices></gpu></nvidia_smi_log>`;
const neighbors = `<lldp><interface name="eth0" via="LLDP"><chassis><id type="mac">00:11:22:33:44:55</id><name>sw</name>
<mgmt-ip>10.0.0.1</mgmt-ip></chassis><port><id type="ifname">swp1</id></port><vlan vlan-id="10" pvid="yes">a</vlan></interface></lldp>`;
const smart =
  '{"model_name":"A","serial_number":"B","wwn":{"naa":5,"oui":1,"id":2},"rotation_rate":7200,"form_factor":{"name":"C"}}';
const nvlink = 'GPU 0: A (UUID: GPU-4ec03b14-bd4f-a1ba-6b1e-1c26bb02aa2a)\n\t Link 0: 25 GB/s\n';

test.for([
  ['XML', parseXml, xml],
  ['nvidia-smi', parseNvidiaSmi, xml],
  ['lldpctl', parseLldpctl, neighbors],
  ['smartctl', parseSmartctl, smart],
  ['nvlink', parseNvlink, nvlink],
] as const)('%s: 5,000 spoilt answers are read or refused with a text, and none takes long', ([, parse, sample]) => {
  const random = seeded(20261122);
  const pick = (most: number) => Math.floor(random() * most);
  const began = performance.now();
  for (let round = 0; round < 5000; round++) {
    let text: string = sample;
    for (let change = pick(4); change >= 0; change--) {
      const [at, length] = [pick(text.length), pick(12)];
      const piece = [
        String.fromCharCode(pick(256)),
        sample.slice(at, at + pick(80)),
        '<',
        '"',
        '&#x110000;',
        '\0',
        '1e309',
      ][pick(7)]!;
      text = text.slice(0, at) + piece + text.slice(at + length);
    }
    try {
      parse(text);
    } catch (error) {
      expect((error as Error).message).toMatch(
        /XML|element|answered|JSON|Unexpected|Expected|Unterminated|Bad|No number/,
      );
    }
  }
  expect(performance.now() - began).toBeLessThan(20_000);
});
