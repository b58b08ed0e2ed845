import { expect, test } from 'vitest';
import { hardware as schema } from '../../shared/api/agent.ts';
import { hardwareOf } from './hardware.ts';

test('what identifies a machine: its numbers, its cards and its memory modules, none longer than the server takes', () => {
  const dimms = {
    A1: { serial: '03A1B2C3', part: 'M393A4K40DB3' },
    A2: { serial: '03A1B2C2' },
    B1: { part: 'empty' },
    B2: { serial: 'S'.repeat(90), part: 'P'.repeat(200) },
  };
  const sections = {
    system: {
      uuid: 'U',
      serial: 'S',
      manufacturer: 'V',
      product: 'P',
      board: { serial: 'B' },
      chassis: { serial: 'C' },
    },
    nics: { b: { mac: 'b0:7b:25:00:00:02' }, a: { mac: 'b0:7b:25:00:00:01' }, c: {} },
    memory: { dimms },
    hostname: { hostname: 'h' },
  };
  const hardware = hardwareOf({ sections, errors: {} });
  expect(hardware).toEqual({
    ...{ uuid: 'U', serial: 'S', board_serial: 'B', chassis_serial: 'C', vendor: 'V', product: 'P', hostname: 'h' },
    macs: ['b0:7b:25:00:00:01', 'b0:7b:25:00:00:02'],
    dimms: ['03A1B2C2', 'M393A4K40DB3 03A1B2C3', `${'P'.repeat(9)} ${'S'.repeat(90)}`],
  });
  expect(schema.safeParse(hardware).success).toBe(true);
  expect(hardwareOf({ sections: {}, errors: {} })).toEqual({});
});
