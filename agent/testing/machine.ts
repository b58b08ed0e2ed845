import { type System, TPM_ANSWER, textOf } from '../system.ts';
import { byte, dword, encode, qword, smbiosTree, word } from './smbios.ts';

const cpu = '/sys/devices/system/cpu';
const node = '/sys/devices/system/node';
const efi = '/sys/firmware/efi/efivars';
const guid = '8be4df61-93ca-11d2-aa0d-00e098032b8c';

/** Files of a small server with everything in it that the sections of its hardware and its system read: path → content. */
export function machineFiles(): Record<string, Buffer> {
  const cpus = [0, 1, 2, 3].flatMap((id) => [
    [`${cpu}/cpu${id}/topology/core_cpus_list`, `${id & 2}-${(id & 2) + 1}\n`],
    [`${cpu}/cpu${id}/topology/package_cpus_list`, `${id & 2}-${(id & 2) + 1}\n`],
    [`${cpu}/cpu${id}/topology/physical_package_id`, `${id >> 1}\n`],
    [`${cpu}/cpu${id}/topology/core_id`, '0\n'],
    [`${cpu}/cpu${id}/topology/die_id`, '0\n'],
    [`${cpu}/cpu${id}/topology/die_cpus`, `${(3 << (id & 2)).toString(16)}\n`],
    [`${cpu}/cpu${id}/cache/index0/level`, '1\n'],
    [`${cpu}/cpu${id}/cache/index0/type`, 'Data\n'],
    [`${cpu}/cpu${id}/cache/index0/size`, '32K\n'],
    [`${cpu}/cpu${id}/cache/index0/shared_cpu_list`, `${id & 2}-${(id & 2) + 1}\n`],
  ]);
  const nodes = [0, 1].flatMap((id) => [
    [`${node}/node${id}/cpulist`, `${id * 2}-${id * 2 + 1}\n`],
    [`${node}/node${id}/meminfo`, `\nNode ${id} MemTotal:       65536 kB\n`],
    [`${node}/node${id}/distance`, id === 0 ? '10 21\n' : '21 10\n'],
  ]);
  const processors = [0, 1, 2, 3].map(
    (id) =>
      `processor\t: ${id}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\nmodel name\t: Lab CPU\nstepping\t: 7\n` +
      `microcode\t: 0x5003604\nphysical id\t: ${id >> 1}\ncore id\t\t: 0\nflags\t\t: lm avx2 hypervisor\n`,
  );
  const option = Buffer.from(`\x07\0\0\0\x01\0\0\0\x04\0L\0a\0b\0\0\0\x7f\xff\x04\0`, 'latin1');
  const texts: Record<string, string | Buffer> = {
    ...Object.fromEntries([...cpus, ...nodes]),
    ...smbiosTree([3, 2], structures()),
    [`${cpu}/online`]: '0-3\n',
    [`${cpu}/present`]: '0-3\n',
    [`${cpu}/smt/active`]: '1\n',
    [`${cpu}/smt/control`]: 'on\n',
    [`${node}/online`]: '0-1\n',
    '/proc/cpuinfo': processors.join('\n'),
    '/proc/meminfo': 'MemTotal:         131072 kB\n',
    '/proc/cmdline': 'root=UUID=1 quiet token=abc\n',
    '/proc/sys/kernel/osrelease': '6.1.0\n',
    '/proc/sys/kernel/version': '#1 SMP\n',
    '/proc/1/comm': 'systemd\n',
    '/etc/os-release': 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\nIMAGE_ID=hq-web-2026.11\n',
    '/etc/machine-id': '0123456789abcdef0123456789abcdee\n',
    '/sys/class/dmi/id/sys_vendor': 'Acme\n',
    '/sys/class/dmi/id/product_uuid': '4C4C4544-0044-4A10-8052-B9C04F4C3432\n',
    '/sys/class/dmi/id/chassis_type': '23\n',
    '/sys/class/dmi/id/bios_date': '04/12/2021\n',
    '/sys/firmware/efi/fw_platform_size': '64\n',
    [`${efi}/SecureBoot-${guid}`]: Buffer.from([6, 0, 0, 0, 1]),
    [`${efi}/BootOrder-${guid}`]: Buffer.from([7, 0, 0, 0, 1, 0, 2, 0]),
    [`${efi}/Boot0001-${guid}`]: option,
    '/sys/devices/platform/ipmi_bmc.0/firmware_revision': '2.46\n',
    '/sys/devices/platform/ipmi_bmc.0/manufacturer_id': '0x0002a2\n',
    '/sys/class/tpm/tpm0/tpm_version_major': '2\n',
    '/sys/class/tpm/tpm0/caps': 'Manufacturer: 0x49465800\nTCG version: 1.2\nFirmware version: 3.17\n',
    [TPM_ANSWER]: '{"properties":{"261":1229346816,"267":458837,"258":159},"endorsement":{}}',
  };
  return Object.fromEntries(Object.entries(texts).map(([path, text]) => [path, Buffer.from(text)]));
}

function structures(): Buffer[] {
  return [
    encode(0, 0, 0x1a, { 4: 'Acme BIOS', 5: '2.7', 8: '03/09/2024', 18: Buffer.from([3, 0x0d, 2, 7, 1, 2]) }),
    encode(1, 1, 0x1b, { 4: 'Acme', 5: 'Rack 2000', 7: 'SN-42', 8: Buffer.alloc(16, 7), 25: 'SKU-X', 26: 'Rack' }),
    encode(2, 2, 0x0f, { 4: 'Acme', 5: 'B-7', 7: 'BSN-1' }),
    encode(3, 3, 0x16, { 4: 'Acme', 5: byte(23), 7: 'CSN-9', 8: 'ASSET-3' }),
    encode(16, 0x10, 0x17, { 4: Buffer.from([3, 3, 6]), 7: dword(0x80000000), 13: word(2), 15: qword(2 ** 41) }),
    encode(17, 0x11, 0x5c, { 4: word(0x10), 12: word(0x7fff), 16: 'A1', 18: byte(34), 23: 'Hynix', 28: dword(65536) }),
    encode(17, 0x12, 0x28, { 4: word(0x10), 12: word(0), 16: 'A2' }),
    encode(38, 0x26, 0x12, { 4: byte(1), 5: byte(0x20) }),
    encode(42, 0x2a, 0x60, { 4: byte(0x40), 5: byte(1), 7: byte(1), 8: byte(4), 9: byte(80) }),
  ];
}

/** A system in memory: so fast that a test may look at thousands. */
export function systemOf(files: Record<string, Buffer>): System {
  const readBytes = (path: string) => (Object.hasOwn(files, path) ? files[path] : undefined);
  return {
    root: '/in-memory',
    readBytes,
    read: (path) => textOf(readBytes(path)),
    list: (path) => {
      const below = Object.keys(files).filter((name) => name.startsWith(`${path}/`));
      return [...new Set(below.map((name) => name.slice(path.length + 1).split('/')[0]!))].sort();
    },
    link: () => undefined,
    real: (path) => path,
    during: (look) => look(),
  };
}
