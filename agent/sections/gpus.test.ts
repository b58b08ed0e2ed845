import { expect, test } from 'vitest';
import { gpus } from '../../shared/sections/gpus.ts';
import { ANSWERS, openSystem } from '../system.ts';
import { fixture, testCaptured } from '../testing/fixture.ts';
import { makeTree, type Tree } from '../testing/tree.ts';
import { observe } from './gpus.ts';

testCaptured('an NVIDIA accelerator counts, the VGA of its hypervisor does not', () => {
  const found = observe(openSystem(fixture('ghw/linux-amd64-accel-nvidia.tar.gz')));
  expect(found).toEqual({
    '0000:06:00.0': {
      ...{ kind: '3d', vendor: '0x10de', device: '0x15f8', driver: 'nvidia', cpus: '0-7' },
      // Its hypervisor's network port: the firmware of this guest tells no NUMA nodes.
      affinity: { '0000:05:00.0': 'PHB' },
    },
  });
  expect(gpus.observed.parse(found)).toEqual(found);
});

testCaptured('a Xeon Phi, which says it is a co-processor, counts; the display of a BMC does not', () => {
  expect(observe(openSystem(fixture('hwloc/32em64t-2n8c+dax+nvme+mic+dimms.tar.bz2')))).toEqual({
    '0000:83:00.0': {
      kind: 'accelerator',
      vendor: '0x8086',
      device: '0x225c',
      subsystem_vendor: '0x8086',
      subsystem_device: '0x2500',
      driver: 'mic',
      numa_node: 1,
      cpus: '8-15',
      affinity: {
        '0000:02:00.0': 'SYS',
        '0000:02:00.3': 'SYS',
        '0000:82:00.0': 'PHB',
      },
    },
  });
});

/** Functions of one machine: place below /sys/devices → class and NUMA node. */
function machine(places: Record<string, [pciClass: string, node: number]>): Tree {
  const entries = Object.entries(places).flatMap(([place, [pciClass, node]]) => [
    [`/sys/devices/${place}/class`, `${pciClass}\n`],
    [`/sys/devices/${place}/numa_node`, `${node}\n`],
    [`/sys/bus/pci/devices/${place.split('/').at(-1)}`, { link: `../../../devices/${place}` }],
  ]);
  return Object.fromEntries(entries);
}

test('how far GPUs, network ports and NVMe are from each other, in the words of nvidia-smi topo', () => {
  const [near, far] = ['pci0000:3a/0000:3a:00.0', 'pci0000:ba/0000:ba:00.0'];
  const system = openSystem(
    makeTree(
      machine({
        [near]: ['0x060400', 0],
        [`${near}/0000:3b:00.0`]: ['0x060400', 0],
        [`${near}/0000:3b:00.0/0000:3c:00.0`]: ['0x060400', 0],
        [`${near}/0000:3b:00.0/0000:3c:00.0/0000:3d:00.0`]: ['0x030200', 0],
        [`${near}/0000:3b:00.0/0000:3c:01.0`]: ['0x060400', 0],
        [`${near}/0000:3b:00.0/0000:3c:01.0/0000:3e:00.0`]: ['0x020700', 0],
        [`${near}/0000:3b:00.0/0000:3c:02.0`]: ['0x060400', 0],
        [`${near}/0000:3b:00.0/0000:3c:02.0/0000:3f:00.0`]: ['0x060400', 0],
        [`${near}/0000:3b:00.0/0000:3c:02.0/0000:3f:00.0/0000:40:00.0`]: ['0x060400', 0],
        [`${near}/0000:3b:00.0/0000:3c:02.0/0000:3f:00.0/0000:40:00.0/0000:41:00.0`]: ['0x010802', 0],
        'pci0000:3a/0000:3a:02.0': ['0x060400', 0],
        'pci0000:3a/0000:3a:02.0/0000:50:00.0': ['0x020000', 0],
        'pci0000:00/0000:00:01.0': ['0x060400', 0],
        'pci0000:00/0000:00:01.0/0000:01:00.0': ['0x010802', 0],
        'pci0000:00/0000:00:1f.0': ['0x060100', 0],
        [far]: ['0x060400', 1],
        [`${far}/0000:bb:00.0`]: ['0x120000', 1],
        'pci10000:00/10000:00:01.0': ['0x060400', -1],
        'pci10000:00/10000:00:01.0/10000:01:00.0': ['0x010802', -1],
      }),
    ),
  );
  expect(observe(system)?.['0000:3d:00.0']?.affinity).toEqual({
    '0000:3e:00.0': 'PIX',
    '0000:41:00.0': 'PXB',
    '0000:50:00.0': 'PHB',
    '0000:01:00.0': 'NODE',
    '0000:bb:00.0': 'SYS',
  });
});

test.for([
  ['0x1da3', '0x1020', '0x120000', 'accelerator'],
  ['0x1d0f', '0x7164', '0x088000', 'accelerator'],
  ['0x1e52', '0x401e', '0x120000', 'accelerator'],
  ['0x1ac1', '0x089a', '0x0880ff', 'accelerator'],
  ['0x1d95', '0x0001', '0xff0000', 'accelerator'],
  ['0x1d0f', '0xefa1', '0x020000', undefined],
  ['0x1d0f', '0x8061', '0x010802', undefined],
  ['0x10de', '0x1af1', '0x068000', undefined],
  ['0x1a03', '0x2000', '0x030000', undefined],
  ['0x8086', '0x37c8', '0x0b4000', undefined],
] as const)('vendor %s, device %s of class %s is %s', ([vendor, device, pciClass, kind]) => {
  const tree = {
    [`${gpu}/class`]: `${pciClass}\n`,
    [`${gpu}/vendor`]: `${vendor}\n`,
    [`${gpu}/device`]: `${device}\n`,
  };
  expect(observe(openSystem(makeTree(tree)))?.['0000:41:00.0']?.kind).toBe(kind);
});

const gpu = '/sys/bus/pci/devices/0000:41:00.0';

test("what NVIDIA's driver knows, without what it has not read", () => {
  const root = makeTree({
    [`${gpu}/class`]: '0x030200\n',
    [`${gpu}/vendor`]: '0x10de\n',
    [`${gpu}/numa_node`]: '3\n',
    [`${gpu}/current_link_speed`]: '2.5 GT/s PCIe\n',
    [`${gpu}/current_link_width`]: '16\n',
    [`${gpu}/max_link_speed`]: '16.0 GT/s PCIe\n',
    [`${gpu}/max_link_width`]: '16\n',
    '/proc/driver/nvidia/version':
      'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.15  Release Build  (dvs-builder@U16)\n',
    '/proc/driver/nvidia/gpus/0000:41:00.0/information': [
      'Model: \t\t NVIDIA A100-SXM4-40GB',
      'IRQ:   \t\t 267',
      'GPU UUID: \t GPU-4ec03b14-bd4f-a1ba-6b1e-1c26bb02aa2a',
      'Video BIOS: \t ??.??.??.??.??',
      'Bus Type: \t PCIe',
      'GPU Firmware: \t N/A',
      '',
    ].join('\n'),
  });
  expect(observe(openSystem(root))).toEqual({
    '0000:41:00.0': {
      kind: '3d',
      vendor: '0x10de',
      numa_node: 3,
      link: { width: 16, max_speed_gts: 16, max_width: 16, expected_speed_gts: 16, expected_width: 16 },
      model: 'NVIDIA A100-SXM4-40GB',
      uuid: 'GPU-4ec03b14-bd4f-a1ba-6b1e-1c26bb02aa2a',
      driver_version: '550.54.15',
    },
  });
});

test("what AMD's driver knows", () => {
  const root = makeTree({
    [`${gpu}/class`]: '0x120000\n',
    [`${gpu}/vendor`]: '0x1002\n',
    [`${gpu}/mem_info_vram_total`]: '68702699520\n',
    [`${gpu}/unique_id`]: '4f1e0f9c7d3a2b61\n',
    [`${gpu}/vbios_version`]: '113-D67301V-073\n',
    [`${gpu}/product_name`]: '\n',
  });
  expect(observe(openSystem(root))).toEqual({
    '0000:41:00.0': {
      kind: 'accelerator',
      vendor: '0x1002',
      uuid: '4f1e0f9c7d3a2b61',
      vbios: '113-D67301V-073',
      memory_bytes: 68702699520,
    },
  });
  const named = { [`${gpu}/product_name`]: 'AMD Instinct MI210\n', [`${gpu}/serial_number`]: 'PCB052\n' };
  const card = { [`${gpu}/class`]: '0x120000\n', [`${gpu}/vendor`]: '0x1002\n', ...named };
  const of = (tree: Tree) => observe(openSystem(makeTree(tree)))?.['0000:41:00.0'];
  expect(of({ ...card, [`${gpu}/mem_info_vram_total`]: '1\n' })).toMatchObject({
    ...{ model: 'AMD Instinct MI210', serial: 'PCB052', memory_bytes: 1 },
  });
  // Without that driver's own file these are nobody's.
  expect(of(card)).toEqual({ kind: 'accelerator', vendor: '0x1002' });
});

const nvidia = { [`${gpu}/class`]: '0x030200\n', [`${gpu}/vendor`]: '0x10de\n', [`${gpu}/device`]: '0x20b2\n' };
const bare = { kind: '3d', vendor: '0x10de', device: '0x20b2' };
const information = '/proc/driver/nvidia/gpus/0000:41:00.0/information';

test('what nvidia-smi answered is told beside what the kernel tells, and NVLink with it', () => {
  const uuid = 'GPU-4ec03b14-bd4f-a1ba-6b1e-1c26bb02aa2a';
  const xml = `<nvidia_smi_log><driver_version>550.54.15</driver_version><gpu id="00000000:41:00.0"><uuid>${uuid}</uuid>
    <serial>1650522003820</serial><vbios_version>N/A</vbios_version><ecc_mode><current_ecc>Disabled</current_ecc></ecc_mode>
    </gpu></nvidia_smi_log>`;
  const root = makeTree({
    ...nvidia,
    [information]: 'Model: \t A100\nVideo BIOS: \t 92.00.36.00.02\n',
    [`${ANSWERS}/nvidia-smi.xml`]: xml,
    [`${ANSWERS}/nvidia-smi-nvlink`]: `GPU 0: A100 (UUID: ${uuid})\n\t Link 0: 25 GB/s\n\t Link 1: 25 GB/s\n`,
  });
  const found = observe(openSystem(root));
  expect(found).toEqual({
    '0000:41:00.0': {
      ...bare,
      model: 'A100',
      vbios: '92.00.36.00.02',
      uuid,
      serial: '1650522003820',
      ecc: false,
      driver_version: '550.54.15',
      nvlink: { links: 2, gigabytes_per_s: 25 },
    },
  });
  expect(gpus.observed.parse(found)).toEqual(found);
});

test('an answer that cannot be read is a note, and loses nothing of the rest', () => {
  const tree = { ...nvidia, [information]: 'Model: \t A100\n', [`${ANSWERS}/nvidia-smi.xml`]: '<nvidia_smi_log><gpu' };
  expect(observe(openSystem(makeTree(tree)))).toEqual({
    '0000:41:00.0': { ...bare, model: 'A100', note: 'the XML is broken at character 16' },
  });
});
