import { expect } from 'vitest';

/** Bytes of a node with 512 MiB, of which the kernel keeps some for itself. */
const memoryBytes = expect.toSatisfy((bytes: number) => bytes > 400 * 1024 ** 2 && bytes <= 512 * 1024 ** 2) as number;
const cache = (size: number, instances: number) => ({
  ...{ size_bytes: size, total_bytes: size * instances, instances, shared_by: 4 / instances },
});
const nic = { kind: 'ethernet', link: true, mtu: 1500, port: 0 };
const address = expect.stringMatching(/^0000:[0-9a-f]{2}:[0-9a-f]{2}\.0$/) as string;

/** All that the guest of guest.test.ts reports, besides its PCI functions: what QEMU was told, and nothing that it was not. */
export const report = {
  bmc: { interface: 'kcs', ipmi_version: '2.0', firmware: '0.0' },
  cpu: {
    ...{ vendor: 'AuthenticAMD', model: 'AMD Opteron 23xx (Gen 3 Class Opteron)', family: 16, model_number: 2 },
    ...{ stepping: '3', microcode: '0x1000065', sockets: 2, dies: 2, cores: 4, threads: 4 },
    ...{ smt: false, smt_control: 'notsupported', flags: { hypervisor: true, lm: true, nx: true, svm: true } },
    caches: {
      ...{ l1d: cache(64 * 1024, 4), l1i: cache(64 * 1024, 4) },
      ...{ l2: cache(512 * 1024, 4), l3: cache(16 * 1024 ** 2, 2) },
    },
  },
  disks: {
    'LAB-NVME-1': {
      ...{ name: 'nvme0n1', serial: 'LAB-NVME-1', model: 'QEMU NVMe Ctrl', firmware: expect.any(String) },
      ...{ transport: 'nvme', controller: 'nvme0', namespace: 1, pci: address, rotational: false },
      ...{ size_bytes: 64 * 1024 ** 2, logical_sector_bytes: 512, physical_sector_bytes: 512 },
    },
  },
  firmware: {
    ...{ mode: 'bios', vendor: 'LabBios', version: '7.7', date: '2023-06-07', release: '0.0', smbios_version: '2.8' },
  },
  lldp: {
    eth1: {
      '02:00:4d:44:00:09 Ethernet1/7': {
        ...{ chassis_id: '02:00:4d:44:00:09', chassis_id_subtype: 'mac', system_name: 'leaf-01' },
        ...{ port_id: 'Ethernet1/7', port_id_subtype: 'interface_name', port_description: 'rack 1, unit 12' },
        port_vlan: 100,
      },
    },
  },
  memory: {
    ...{ slots: 1, empty_slots: 0, max_bytes: 1024 ** 3, error_correction: 'multi-bit' },
    total_bytes: expect.toSatisfy((bytes: number) => bytes > 800 * 1024 ** 2 && bytes <= 1024 ** 3) as number,
    dimms: {
      'DIMM_A 0': {
        ...{ manufacturer: 'LabDimms', part: 'LAB-PART-1', serial: 'LAB-DIMM-1', type: 'RAM', form_factor: 'DIMM' },
        ...{ size_bytes: 1024 ** 3, speed_mts: 3200, configured_mts: 3200 },
      },
    },
  },
  network: {
    interfaces: {
      eth0: expect.objectContaining({
        ...{ mac: '52:54:00:4d:44:01', mtu: 1500, kind: 'physical', gateway: '10.0.2.2' },
        addresses: expect.objectContaining({ '10.0.2.15/24': { family: 'ipv4' } }),
      }),
      eth1: { mac: '52:54:00:4d:44:02', mtu: 1500, kind: 'physical' },
    },
  },
  nics: {
    '52:54:00:4d:44:01': { ...nic, name: 'eth0', mac: '52:54:00:4d:44:01', driver: 'virtio_net', pci: address },
    '52:54:00:4d:44:02': {
      ...{ ...nic, name: 'eth1', mac: '52:54:00:4d:44:02', driver: 'e1000e', pci: address },
      ...{ duplex: 'full', speed_mbps: 1000 },
    },
  },
  numa: {
    0: { cpus: '0-1', distances: { 0: 10, 1: 21 }, memory_bytes: memoryBytes },
    1: { cpus: '2-3', distances: { 0: 21, 1: 10 }, memory_bytes: memoryBytes },
  },
  os: {
    ...{ init: 'init', architecture: 'x86_64', kernel: expect.stringMatching(/^\d+\.\d+\..*-amd64$/) },
    ...{
      kernel_build: expect.stringContaining('Debian'),
      command_line: expect.stringMatching(/^console=ttyS0 quiet /),
    },
  },
  pci: expect.any(Object),
  system: {
    ...{ manufacturer: 'LabMaker', product: 'LabServer', version: 'V1', serial: 'LAB-SYS-1' },
    ...{ uuid: '11111111-2222-3333-4444-555555555555', sku: 'LAB-SKU-1', family: 'LabFamily' },
    ...{ asset_tag: 'LAB-ASSET-3', virtual: 'qemu' },
    board: {
      ...{ manufacturer: 'LabMaker', product: 'LabBoard', version: 'V2', serial: 'LAB-BOARD-1' },
      asset_tag: 'LAB-ASSET-2',
    },
    chassis: { manufacturer: 'LabMaker', version: 'V3', serial: 'LAB-CHASSIS-1' },
  },
  tpm: {
    ...{ version: '2.0', revision: expect.stringMatching(/^1\.\d\d$/), manufacturer: 'IBM', vendor: 'SW TPM' },
    ...{ firmware: expect.stringMatching(/^\d+(\.\d+){1,3}$/), interface: 'tpm_crb' },
    endorsement: { 'ecc-p256': { key_sha256: expect.stringMatching(/^[0-9a-f]{64}$/) } },
  },
};
