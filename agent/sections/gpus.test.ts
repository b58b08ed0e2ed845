import { expect, test } from 'vitest';
import { gpus } from '../../shared/sections/gpus.ts';
import { openSystem } from '../system.ts';
import { fixture, testCaptured } from '../testing/fixture.ts';
import { makeTree } from '../testing/tree.ts';
import { observe } from './gpus.ts';

testCaptured('an NVIDIA accelerator counts, the VGA of its hypervisor does not', () => {
  const found = observe(openSystem(fixture('ghw/linux-amd64-accel-nvidia.tar.gz')));
  expect(found).toEqual({
    '0000:06:00.0': { kind: '3d', vendor: '0x10de', device: '0x15f8', driver: 'nvidia' },
  });
  expect(gpus.observed.parse(found)).toEqual(found);
});

testCaptured('a server whose only display is its BMC has no GPU', () => {
  expect(observe(openSystem(fixture('hwloc/32em64t-2n8c+dax+nvme+mic+dimms.tar.bz2')))).toBeUndefined();
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
      link: { width: 16, max_speed_gts: 16, max_width: 16 },
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
});
