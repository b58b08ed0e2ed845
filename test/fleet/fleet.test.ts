import { expect, test } from 'vitest';
import { hardwareOf } from '../../agent/client/hardware.ts';
import { judge } from '../../machinedb/reports/sections.ts';
import { faults, firstFaults, sectionsWith } from './faults.ts';
import { identityOf } from './identity.ts';
import { makeMachine } from './machine.ts';

const fleet = Array.from({ length: 600 }, (_, i) => makeMachine(i));

test('a machine reports what the server takes, with each fault and without', () => {
  for (const machine of fleet.slice(0, 56)) {
    expect(judge(machine.sections).rejected).toEqual({});
    for (const fault of Object.values(faults).filter(({ fits }) => fits(machine))) {
      const sections = sectionsWith(machine, [fault]);
      expect(judge(sections).rejected, fault.kind).toEqual({});
      expect(sections, fault.kind).not.toEqual(machine.sections);
    }
  }
});

test('no two machines share what identifies them, and a number is always the same machine', () => {
  const marks = fleet.flatMap((machine) => {
    const { serial, uuid, board_serial, macs } = hardwareOf({ sections: machine.sections, errors: {} } as never);
    return [serial, uuid, board_serial, ...macs!];
  });
  expect(new Set(marks).size).toBe(marks.length);
  const units = fleet.map(({ place: { site, rack, unit } }) => `${site} ${rack} ${unit}`);
  expect(new Set(units).size).toBe(fleet.length);
  expect(makeMachine(17)).toEqual(fleet[17]);
  expect(identityOf('s', 1).fingerprint).toBe(identityOf('s', 1).fingerprint);
  expect(identityOf('s', 1).fingerprint).not.toBe(identityOf('s', 2).fingerprint);
  expect(identityOf('t', 1).fingerprint).not.toBe(identityOf('s', 1).fingerprint);
});

test('two machines with swapped cables see each the port of the other', () => {
  const port = (index: number, faulty: boolean) => {
    const { lldp } = sectionsWith(fleet[index]!, faulty ? firstFaults(index) : []);
    return Object.keys(Object.values(lldp!)[0] as object)[0]!;
  };
  expect([port(22, true), port(23, true)]).toEqual([port(23, false), port(22, false)]);
  expect(port(22, true)).not.toBe(port(22, false));
});
