import { expect, test } from 'vitest';
import { chooseDisk } from './choose-disk.ts';

const nvme = { name: 'nvme0n1', serial: 'S1', size_bytes: 2e9, transport: 'nvme' };
const sata = { name: 'sda', serial: 'S2', size_bytes: 4e9, transport: 'sata' };
const stick = { name: 'sdb', serial: 'S3', size_bytes: 8e9, transport: 'usb' };

test('the only fixed disk is the one; a stick only when it is named', () => {
  expect(chooseDisk({ S1: nvme, S3: stick }, {}, 1e9)).toEqual({ name: 'nvme0n1', sizeBytes: 2e9, label: 'S1' });
  expect(chooseDisk({ S1: nvme, S3: stick }, { serial: 'S3' }, 1e9).name).toBe('sdb');
});

test('a rule is met in all its parts', () => {
  expect(chooseDisk({ S1: nvme, S2: sata }, { transport: 'sata' }, 1e9).name).toBe('sda');
  expect(chooseDisk({ S1: nvme, S2: sata }, { max_bytes: 3e9 }, 1e9).name).toBe('nvme0n1');
  expect(() => chooseDisk({ S1: nvme }, { serial: 'S1', transport: 'sata' }, 1e9)).toThrow(
    'no disk of this machine meets the rule {"serial":"S1","transport":"sata"}: it has nvme0n1 (serial S1, 2000000000 bytes)',
  );
});

test('doubt is an error that names the candidates and the way out', () => {
  expect(() => chooseDisk({ S1: nvme, S2: sata }, {}, 1e9)).toThrow(
    'several disks may be meant: nvme0n1 (serial S1, 2000000000 bytes), sda (serial S2, 4000000000 bytes). Name one in the intent: image.disk.serial',
  );
  expect(() => chooseDisk({}, {}, 1)).toThrow('it has no disk');
  expect(() => chooseDisk({ S1: nvme }, {}, 3e9)).toThrow('is too small: the image has 3000000000 bytes');
});
