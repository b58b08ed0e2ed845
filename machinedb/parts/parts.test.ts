import { expect, test } from 'vitest';
import { partChange, partsOf } from './parts.ts';

test('modules, GPUs, ports and disks by what tells each from all others', () => {
  const memory = {
    total_bytes: 1,
    dimms: {
      A1: { serial: '03A1B2C3', part: 'M393A4K40DB3', manufacturer: 'Samsung' },
      A2: { serial: '03A1B2C4', manufacturer: 'Samsung' },
      B1: { size_bytes: 0 },
    },
  };
  expect(partsOf('memory', memory)).toEqual([
    { kind: 'dimm', serial: '03A1B2C3', model: 'M393A4K40DB3', slot: 'A1' },
    { kind: 'dimm', serial: '03A1B2C4', model: 'Samsung', slot: 'A2' },
  ]);
  const gpus = {
    '0000:3b:00.0': { serial: '1654923012345', uuid: 'GPU-1', model: 'NVIDIA H100', device: '0x2330' },
    '0000:5e:00.0': { uuid: 'GPU-2', device: '0x2330' },
    '0000:86:00.0': { device: '0x2330' },
  };
  expect(partsOf('gpus', gpus)).toEqual([
    { kind: 'gpu', serial: '1654923012345', model: 'NVIDIA H100', slot: '0000:3b:00.0' },
    { kind: 'gpu', serial: 'GPU-2', model: '0x2330', slot: '0000:5e:00.0' },
  ]);
  const nics = {
    'b0:7b:25:00:00:01': { mac: 'B0:7B:25:00:00:01', pci: '0000:17:00.0', port: 1, name: 'eth0' },
    'fec0:1': { guid: '9803:9b03:0012:3456', pci: '0000:18:00.0' },
    truncated: { dropped: 2 },
  };
  expect(partsOf('nics', nics)).toEqual([
    { kind: 'nic', serial: 'b0:7b:25:00:00:01', model: '', slot: '0000:17:00.0/1' },
    { kind: 'nic', serial: '9803:9b03:0012:3456', model: '', slot: '0000:18:00.0' },
  ]);
  const disks = {
    S1: { serial: 'S1', wwn: 'eui.1', model: 'PM9A3', pci: '0000:01:00.0', name: 'nvme0n1' },
    'naa.5': { wwn: 'naa.5', vendor: 'SEAGATE' },
    sda: { name: 'sda' },
  };
  expect(partsOf('disks', disks)).toEqual([
    { kind: 'disk', serial: 'S1', model: 'PM9A3', slot: '0000:01:00.0' },
    { kind: 'disk', serial: 'naa.5', model: 'SEAGATE', slot: '' },
  ]);
  expect(partsOf('cpu', { serial: 'X' })).toEqual([]);
});

test('74, 76: placeholders, and addresses that are made up, are no parts', () => {
  const dimms = { A1: { serial: '00000000' }, A2: { serial: 'NO DIMM' }, A3: { serial: ' To Be Filled By O.E.M. ' } };
  expect(partsOf('memory', { dimms })).toEqual([]);
  expect(partsOf('nics', { a: { mac: '52:54:00:00:00:01' }, b: { mac: '01:00:5e:00:00:01' } })).toEqual([]);
  expect(partsOf('disks', { QM00001: { serial: 'QM00001', model: 'QEMU HARDDISK' } })).toEqual([]);
  expect(partsOf('memory', { dimms: { A1: null, A2: 'x' } })).toEqual([]);
});

test('a change is what came and what went; what stays, and what else changes, is none', () => {
  const one = (serial: string, slot: string) => ({ kind: 'dimm', serial, model: '', slot });
  const before = { dimms: { A1: { serial: 'X1' }, A2: { serial: 'X2' } } };
  const now = {
    total_bytes: 5,
    dimms: { A1: { serial: 'X1', speed_mts: 4800 }, B1: { serial: 'X2' }, B2: { serial: 'X3' } },
  };
  expect(partChange('memory', before, now)).toEqual({
    arrived: [one('X2', 'B1'), one('X3', 'B2')],
    left: [one('X2', 'A2')],
  });
  expect(partChange('memory', before, null)).toEqual({ arrived: [], left: [one('X1', 'A1'), one('X2', 'A2')] });
});
