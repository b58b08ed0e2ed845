/** A kind of server. Makers and part numbers are made up; PCI ids are those of real parts, so that they have names. */
export interface Model {
  role: string;
  product: string;
  /** Rack units. */
  height: number;
  /** Watts that it draws. */
  draw_w: number;
  bios: { version: string; date: string; old: string };
  cpu: { vendor: string; model: string; sockets: number; cores: number; smt: boolean; architecture: string };
  dimms: { slots: number; size_gib: number; type: string; speed_mts: number };
  /** What hangs on PCI Express, in the order of its buses. */
  cards: Card[];
}

export interface Card {
  count: number;
  kind: 'gpu' | 'ethernet' | 'infiniband' | 'nvme' | 'hba';
  class: string;
  vendor: string;
  device: string;
  driver: string;
  speed_gts: number;
  width: number;
  /** Name that its driver tells. */
  model?: string;
  /** A GPU's memory or a disk's size, GiB; a port's speed, Gbit/s. */
  size: number;
  /** Disks behind an HBA. */
  disks?: number;
}

const bootDisk: Card = {
  ...{ count: 2, kind: 'nvme', class: '0x010802', vendor: '0x144d', device: '0xa80c', driver: 'nvme' },
  ...{ speed_gts: 16, width: 4, model: 'Lab Boot 960', size: 894 },
};
const ports25: Card = {
  ...{ count: 2, kind: 'ethernet', class: '0x020000', vendor: '0x8086', device: '0x159b', driver: 'ice' },
  ...{ speed_gts: 16, width: 8, size: 25 },
};
const ports100: Card = {
  ...{ count: 2, kind: 'ethernet', class: '0x020000', vendor: '0x15b3', device: '0x101d', driver: 'mlx5_core' },
  ...{ speed_gts: 16, width: 16, size: 100 },
};

export const models: Record<'compute' | 'gpu' | 'storage' | 'edge', Model> = {
  compute: {
    ...{ role: 'compute', product: 'LS-1120 Compute', height: 1, draw_w: 600 },
    bios: { version: '2.19.1', date: '2026-05-12', old: '2.17.0' },
    cpu: {
      ...{ vendor: 'AuthenticAMD', model: 'AMD EPYC 9454 48-Core Processor' },
      ...{ sockets: 2, cores: 48, smt: true, architecture: 'x86_64' },
    },
    dimms: { slots: 24, size_gib: 32, type: 'DDR5', speed_mts: 4800 },
    cards: [bootDisk, ports25],
  },
  gpu: {
    ...{ role: 'gpu', product: 'LS-8800 GPU', height: 8, draw_w: 8000 },
    bios: { version: '1.8.4', date: '2026-03-02', old: '1.6.2' },
    cpu: {
      ...{ vendor: 'GenuineIntel', model: 'Intel(R) Xeon(R) Platinum 8480+' },
      ...{ sockets: 2, cores: 56, smt: true, architecture: 'x86_64' },
    },
    dimms: { slots: 32, size_gib: 64, type: 'DDR5', speed_mts: 4800 },
    cards: [
      {
        ...{ count: 8, kind: 'gpu', class: '0x030200', vendor: '0x10de', device: '0x2330', driver: 'nvidia' },
        ...{ speed_gts: 32, width: 16, model: 'NVIDIA H100 80GB HBM3', size: 80 },
      },
      {
        ...{ count: 4, kind: 'infiniband', class: '0x020700', vendor: '0x15b3', device: '0x1021', driver: 'mlx5_core' },
        ...{ speed_gts: 32, width: 16, size: 400 },
      },
      bootDisk,
      ports100,
    ],
  },
  storage: {
    ...{ role: 'storage', product: 'LS-4240 Storage', height: 4, draw_w: 900 },
    bios: { version: '3.2.0', date: '2026-01-20', old: '3.0.7' },
    cpu: {
      ...{ vendor: 'AuthenticAMD', model: 'AMD EPYC 9224 24-Core Processor' },
      ...{ sockets: 1, cores: 24, smt: true, architecture: 'x86_64' },
    },
    dimms: { slots: 12, size_gib: 32, type: 'DDR5', speed_mts: 4800 },
    cards: [
      {
        ...{ count: 1, kind: 'hba', class: '0x010700', vendor: '0x1000', device: '0x00e6', driver: 'mpt3sas' },
        ...{ speed_gts: 16, width: 8, model: 'Lab Spin 20T', size: 18_626, disks: 24 },
      },
      bootDisk,
      ports100,
    ],
  },
  edge: {
    ...{ role: 'edge', product: 'LS-310 Edge', height: 1, draw_w: 250 },
    bios: { version: '1.4', date: '2025-11-08', old: '1.2' },
    cpu: {
      ...{ vendor: 'ARM', model: 'Neoverse-N1', sockets: 1, cores: 80, smt: false, architecture: 'aarch64' },
    },
    dimms: { slots: 8, size_gib: 16, type: 'DDR4', speed_mts: 3200 },
    cards: [bootDisk, ports25],
  },
};
