import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { disks } from '../../shared/sections/disks.ts';
import { parseSmartctl } from '../parse/smartctl.ts';
import { ANSWERS, openSystem } from '../system.ts';
import { diskTree } from '../testing/disk.ts';
import { fixturePath, testCaptured } from '../testing/fixture.ts';
import { makeTree, type Tree } from '../testing/tree.ts';
import { observe } from './disks.ts';

const observeTree = (tree: Tree) => observe(openSystem(makeTree(tree)));
const sata = 'pci0000:00/0000:00:01.0/ata1/host0/target0:0:0/0:0:0:0/block/sda';

const smart = {
  device: { name: '/dev/sda' },
  model_name: 'ST1000NM000A-2J3100',
  model_family: 'Seagate Exos 7E8',
  serial_number: 'WCK00001',
  firmware_version: 'SN03-LONG',
  wwn: { naa: 5, oui: 3152, id: 1234567890 },
  form_factor: { name: '3.5 inches' },
  rotation_rate: 7200,
  power_on_time: { hours: 4886 },
  temperature: { current: 33 },
};

test('what smartctl knows of a disk, without its counters; the kernel is believed first but for the firmware', () => {
  const tree = diskTree(sata, { model: 'ST1000NM000A\n', rev: 'SN03\n' });
  const answer = (text: string) => ({ ...tree, [`${ANSWERS}/smartctl-sda.json`]: text });
  const found = observeTree(answer(JSON.stringify(smart)));
  expect(found).toEqual({
    WCK00001: {
      name: 'sda',
      model: 'ST1000NM000A',
      serial: 'WCK00001',
      wwn: 'naa.5000c500499602d2',
      firmware: 'SN03-LONG',
      family: 'Seagate Exos 7E8',
      form_factor: '3.5 inches',
      rpm: 7200,
      size_bytes: 1024 ** 2,
      transport: 'sata',
      pci: '0000:00:01.0',
    },
  });
  expect(disks.observed.parse(found)).toEqual(found);
  // Asleep, it says no more than this; and what cannot be read takes nothing away.
  const asleep = { device: { name: '/dev/sda' }, smartctl: { exit_status: 2 } };
  for (const text of [JSON.stringify(asleep), '', '[]', 'null', '{"wwn":[', '{"wwn":7,"rotation_rate":"fast"}'])
    expect(observeTree(answer(text))).toEqual(observeTree(tree));
});

testCaptured('samples of smartctl: identity, and nothing that was blanked', () => {
  const told = (name: string) => parseSmartctl(readFileSync(fixturePath(`smartctl/${name}`), 'utf8'));
  expect(told('sat-Seagate_Exos_7E8-ST1000NM000A-2J3100-sdq.json')).toEqual({
    model: 'ST1000NM000A-2J3100',
    family: 'Seagate Exos 7E8',
    wwn: 'naa.5000c500499602d2',
    form_factor: '3.5 inches',
    rpm: 7200,
  });
  for (const name of readdirSync(fixturePath('smartctl'))) {
    const { model, ...rest } = told(name);
    expect(name.replaceAll('_', ' ')).toContain(model!.replaceAll('_', ' ').split(' ')[0]);
    expect(Object.keys(rest).sort()).toEqual(['family', 'firmware', 'form_factor', 'rpm', 'serial', 'wwn']);
    expect(JSON.stringify(rest)).not.toContain('REDACTED');
  }
});
