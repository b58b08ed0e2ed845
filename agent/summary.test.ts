import { expect, test } from 'vitest';
import { observeAll } from './facts.ts';
import { formatFacts } from './summary.ts';
import { openSystem } from './system.ts';

test('a server in a few lines', () => {
  const text = formatFacts({
    sections: {
      system: { manufacturer: 'Dell Inc.', product: 'PowerEdge R6515', serial: '7N62AI2' },
      cpu: { model: 'AMD EPYC 7543P', sockets: 1, cores: 32, threads: 64 },
      memory: { total_bytes: 270 * 1024 ** 3, slots: 16, dimms: { A1: {}, A2: {} } },
      numa: { 0: {}, 1: {} },
      nics: { '52:54:00:12:34:56': { name: 'eno1', speed_mbps: 25000, driver: 'mlx5_core' } },
      lldp: {
        eno1: {
          a: { system_name: 'sw1', chassis_id: '00:1c:73:00:01:00', port_id: 'Ethernet7/1' },
          b: { chassis_id: '00:1c:73:00:02:00', port_id: '516' },
          truncated: { dropped: 2 },
        },
      },
      disks: { S1: { name: 'nvme0n1', size_bytes: 960197124096, transport: 'nvme' }, truncated: { dropped: 7 } },
      bmc: { addresses: { '10.1.9.5/24': true }, mac: 'd0:94:66:2f:11:22', firmware: '2.46', interface: 'kcs' },
      tpm: { version: '2.0', manufacturer: 'IFX', firmware: '7.85' },
      firmware: { mode: 'uefi', version: '2.2.4', secure_boot: true },
      hostname: { hostname: 'db1', fqdn: 'db1.example.org' },
    },
    errors: { os: '/etc/os-release is not a regular file: it was not read' },
  });
  expect(text).toBe(
    [
      'machine    Dell Inc.  PowerEdge R6515  serial 7N62AI2',
      'hostname   db1.example.org',
      'firmware   uefi  2.2.4  secure boot',
      'bmc        10.1.9.5/24  d0:94:66:2f:11:22  firmware 2.46  kcs',
      'tpm        2.0  IFX  7.85',
      'cpu        AMD EPYC 7543P  1 socket, 32 cores, 64 threads',
      'memory     270 GiB  2 of 16 slots  2 NUMA nodes',
      'nic        eno1  52:54:00:12:34:56  25 Gb/s  mlx5_core',
      'cable      eno1  to  sw1  Ethernet7/1',
      'cable      eno1  to  00:1c:73:00:02:00  516',
      'cable      and 2 more',
      'disk       nvme0n1  S1  894 GiB  nvme',
      'disk       and 7 more',
      'not known  os: /etc/os-release is not a regular file: it was not read',
      '',
    ].join('\n'),
  );
});

test('nothing that hardware says acts on the terminal', () => {
  const product = 'R\u001b[2J\u001b]0;owned\u0007\r\n\u202egnp.exe';
  expect(formatFacts({ sections: { system: { product } }, errors: { os: '\u001b[31mred' } })).toBe(
    'machine    R\\x1b[2J\\x1b]0;owned\\x07\\x0d\\x0a\\u202egnp.exe\nnot known  os: \\x1b[31mred\n',
  );
});

test('a machine that says nothing is no text, and this one is some', () => {
  expect(formatFacts({ sections: {}, errors: {} })).toBe('');
  expect(formatFacts(observeAll(openSystem()))).toMatch(/^cpu {2,}\S/m);
});

test('the PCIe tree: what lies behind what, links with what they run at, and what keeps one from what it could be', () => {
  const pci = {
    '0000:00:00.0': { class: '0x060000', vendor: '0x8086' },
    '0000:00:1f.0': { class: '0x060100', vendor: '0x8086' },
    '0000:3a:00.0': { class: '0x060400', vendor: '0x8086', device: '0x347a', driver: 'pcieport', numa_node: 0 },
    '0000:3b:00.0': { class: '0x060400', vendor: '0x1000', parent: '0000:3a:00.0', link: { speed_gts: 16, width: 16 } },
    '0000:3c:00.0': { class: '0x060400', vendor: '0x1000', device: '0xc030', parent: '0000:3b:00.0' },
    '0000:3d:00.0': {
      ...{ class: '0x030200', vendor: '0x10de', device: '0x20b2', driver: 'nvidia', parent: '0000:3c:00.0', slot: '7' },
      link: { width: 8, max_speed_gts: 16, max_width: 16, expected_width: 16, degraded: '0000:3d:00.0' },
    },
    '0000:3c:01.0': { class: '0x060400', vendor: '0x1000', device: '0xc030', parent: '0000:3b:00.0' },
    '0000:3e:00.0': {
      ...{ class: '0x020700', vendor: '0x15b3', device: '0x101b', driver: 'mlx5\u001b[31m', parent: '0000:3c:01.0' },
      link: { speed_gts: 8, width: 16, max_speed_gts: 16, max_width: 16, limited_by: '0000:3c:01.0' },
    },
    '0000:41:00.0': { class: '0x010802', vendor: '0x144d', device: '0xa80a', link: { speed_gts: 16, width: 4 } },
    truncated: { dropped: 3 },
  };
  expect(formatFacts({ sections: { pci }, errors: {} })).toBe(
    [
      '0000:3a:00.0  bridge  8086:347a  pcieport  node 0',
      '└─ 0000:3b:00.0  bridge  1000:?  16 GT/s x16',
      '   ├─ 0000:3c:00.0  bridge  1000:c030',
      '   │  └─ 0000:3d:00.0  display  10de:20b2  nvidia  slot 7  x8  DEGRADED at 0000:3d:00.0, expected 16 GT/s x16',
      '   └─ 0000:3c:01.0  bridge  1000:c030',
      '      └─ 0000:3e:00.0  infiniband  15b3:101b  mlx5\\x1b[31m  8 GT/s x16  limited by 0000:3c:01.0, itself 16 GT/s x16',
      '0000:41:00.0  nvme  144d:a80a  16 GT/s x4',
      'and 5 more functions',
      '',
    ].join('\n'),
  );
});
