import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { detailAt } from '../nodes/node-detail.ts';
import { createReports } from '../reports/reports.ts';
import { machine, unique, withTrust } from '../trust/testing/machine.ts';
import { createMetrics } from '../watch/metrics.ts';

const trust = await withTrust();
const { db, keys } = trust;
const reports = createReports(db, keys, createMetrics());
let seq = 0;
const report = (node: string, sections: Record<string, unknown>) =>
  reports.put(node, { boot_id: 'boot', seq: ++seq, version: '1', sections }, `${seq}`);

const mac = (n: number) => `b0:7b:25:00:00:0${n}`;
const nics = (...ports: number[]) => Object.fromEntries(ports.map((n) => [mac(n), { mac: mac(n) }]));

const IDENTITY = ['node.enrolled', 'node.hardware', 'alarm.rekey', 'alarm.hardware'];

test('a trusted node that reports replaced parts is known by them; a report of other hardware is an alarm and changes nothing', async () => {
  const hardware = { ...unique(), board_serial: 'B1', macs: [mac(1), mac(2)] };
  const { node } = await trust.enrol(machine(hardware));
  const stored = async () =>
    (await db.selectFrom('node').select('hardware').where('id', '=', node).executeTakeFirstOrThrow()).hardware;
  await report(node, { nics: nics(3) });
  expect((await stored()).macs).toEqual([mac(1), mac(2)]);

  await db.updateTable('node').set({ level: 'approved', state: 'active' }).where('id', '=', node).execute();
  const first = await stored();
  const then = new Date().toISOString();
  await new Promise((resolve) => setTimeout(resolve, 5));
  await report(node, {
    nics: nics(1, 4),
    memory: { dimms: { A1: { serial: 'S1', part: 'P' }, A2: { serial: '0000' } } },
  });
  expect(await stored()).toMatchObject({ serial: hardware.serial, macs: [mac(1), mac(4)], dimms: ['P S1'] });
  // What it was is known of every time before.
  expect((await detailAt(db, node, then)).hardware).toEqual(first);
  expect((await detailAt(db, node, new Date().toISOString())).hardware).toEqual(await stored());
  expect(await trust.enrol(machine({ macs: [mac(1), mac(4)] }))).toMatchObject({ node, status: 'rekey' });

  const before = await stored();
  const system = { uuid: randomUUID(), serial: 'OTHER', board: { serial: 'B9' } };
  await report(node, { system, nics: nics(8, 9), memory: { dimms: { A1: { serial: 'S9', part: 'P' } } } });
  await report(node, { nics: nics(8) });
  expect(await stored()).toEqual(before);
  // The last two are of what it reports: another board, and a card that is there no more.
  const said = ['hardware.replaced', 'hardware.gone'];
  expect(await trust.events(node)).toEqual([...IDENTITY, ...said]);
});
