import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { api } from '../../shared/api.ts';
import { transaction } from '../db.ts';
import { authenticate, authorize } from '../http/auth.ts';
import { approve } from '../trust/approve.ts';
import { machine, unique, withTrust } from '../trust/testing/machine.ts';
import { closeRescue } from './close.ts';

const trust = await withTrust();
const { context, db, keys } = trust;

/** An approved node, by the key on its disk. */
async function approved() {
  const disk = machine(unique());
  const { node } = await trust.enrol(disk);
  const approval = { node, fingerprint: disk.fingerprint, actor: 'ann', reason: 'seen on its console' };
  await transaction(db, (tx) => approve(tx, keys, approval));
  return { disk, node };
}

const open = (node: string, until = '1 hour') =>
  sql`update node set rescue = '{"operator":"ann"}', rescue_until = clock_timestamp() + ${until}::interval
    where id = ${node}`.execute(db);
const statusOf = async (fingerprint: string) =>
  (await db.selectFrom('node_key').select('status').where('fingerprint', '=', fingerprint).executeTakeFirst())?.status;
const over = { code: 'forbidden', message: 'no rescue of this machine is open: it boots as before' };

test('a machine in rescue gets a key for that alone; the one on its disk goes on', async () => {
  const { disk, node } = await approved();
  const memory = machine(disk.hardware);
  await expect(trust.enrol(memory, { rescue: true })).rejects.toMatchObject(over);
  await open(node);
  await sql`update node set boot_once = '{}' where id = ${node}`.execute(db);
  const answer = { node, fingerprint: memory.fingerprint, state: 'approved', status: 'rescue' };
  expect(await trust.enrol(memory, { rescue: true })).toEqual(answer);
  expect(await trust.enrol(memory, { rescue: true })).toEqual(answer);
  expect((await trust.events(node)).slice(-1)).toEqual(['rescue.joined']);
  expect([await statusOf(disk.fingerprint), await statusOf(memory.fingerprint)]).toEqual(['current', 'rescue']);
  // This was the next boot: what was asked for it is used.
  expect((await db.selectFrom('node').select('boot_once').where('id', '=', node).executeTakeFirst())?.boot_once).toBe(
    null,
  );
  const caller = await authenticate(context, await trust.login(memory, node));
  expect(caller).toMatchObject({ kind: 'node', node, level: 'rescue' });
  const opened = Object.entries(api).filter(([, { scope }]) => {
    try {
      authorize(caller, scope);
      return scope !== 'public';
    } catch {
      return false;
    }
  });
  expect(opened.map(([operation]) => operation)).toEqual(['getSelfRescue', 'certifySelfRescue']);
  const own = await authenticate(context, await trust.login(disk, node));
  expect(own).toMatchObject({ level: 'approved' });
  expect(() => authorize(own, 'node:rescue')).toThrow('this needs scope node:rescue');
});

test('with the rescue its key is gone, by a word as by time, and nothing is locked for it', async () => {
  const { disk, node } = await approved();
  const memory = machine(disk.hardware);
  await open(node);
  await trust.enrol(memory, { rescue: true });
  const header = await trust.login(memory, node);
  await open(node, '-1 second');
  await expect(authenticate(context, header)).rejects.toThrow('no valid token');
  await expect(trust.enrol(memory, { rescue: true })).rejects.toMatchObject(over);
  await open(node);
  await authenticate(context, header);
  await transaction(db, (tx) => closeRescue(tx, node, 'ann', 'done'));
  await expect(authenticate(context, header)).rejects.toThrow('no valid token');
  await expect(trust.login(memory, node)).rejects.toThrow('not by a key of this node');
  await expect(trust.enrol(memory, { rescue: true })).rejects.toMatchObject(over);
  expect(await statusOf(memory.fingerprint)).toBe(undefined);
  expect(await trust.enrol(disk)).toMatchObject({ node, status: 'approved' });
  expect((await trust.events(node)).filter((kind) => kind.startsWith('alarm'))).toEqual([]);
});

test('the newest claim has the key, no other key takes its place, and other hardware is let nowhere', async () => {
  const { disk, node } = await approved();
  await open(node);
  const [first, second] = [machine(disk.hardware), machine(disk.hardware)];
  await trust.enrol(first, { rescue: true });
  await trust.enrol(second, { rescue: true });
  expect([await statusOf(first.fingerprint), await statusOf(second.fingerprint)]).toEqual([undefined, 'rescue']);
  await expect(trust.enrol(disk, { rescue: true })).rejects.toMatchObject(over);
  expect(await statusOf(disk.fingerprint)).toBe('current');
  await expect(trust.enrol(second)).rejects.toThrow('this key is for a rescue only: claim with a key of its own');
  await expect(trust.enrol(machine(), { rescue: true })).rejects.toMatchObject({
    code: 'conflict',
    message: 'the hardware of this machine is that of no node, or of several: a person must look',
  });
  await db.updateTable('node').set({ locked_at: new Date(), locked_reason: 'x' }).where('id', '=', node).execute();
  await expect(trust.enrol(machine(disk.hardware), { rescue: true })).rejects.toMatchObject(over);
});
