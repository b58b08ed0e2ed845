import { expect, test } from 'vitest';
import { transaction } from '../db.ts';
import { expireSlots } from './expire.ts';
import { withRollouts } from './testing.ts';

const { db, ask, askAs, role, change, turn, tell, show, report, node, now } = await withRollouts();
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
const events = (subject: string) =>
  db
    .selectFrom('event')
    .select(['kind', 'actor', 'reason', 'data'])
    .where('subject', '=', subject)
    .orderBy('seq')
    .execute();
const set = (name: string, body: object) => ask('putRollout', { params: { role: name }, body });
const resume = (name: string) => ask('resumeRollout', { params: { role: name }, body: { reason: 'looked at' } });

test('a changed role reaches its nodes in slots, and the roll-out tells where it stands', async () => {
  const [a, b, c, d] = (await role('slots', 4)) as [string, string, string, string];
  expect(await show('slots')).toEqual({
    ...{ role: 'slots', state: 'idle', slots: 5, stop_after: 3 },
    ...{ waiting: 0, held: 0, staged: 0, applied: 0, applying: [], undone: [] },
  });
  await set('slots', { slots: 2 });
  expect(await change('slots', 'faster')).toBe(4);
  expect([await turn(a), await turn(b), await turn(c)]).toEqual([
    ...['go', 'go'],
    '2 of role slots apply now, and no more may at the same time',
  ]);
  // The answer was lost: it is the same again, and takes no second slot.
  expect(await turn(a)).toBe('go');
  // A machine that is as wanted already needs no slot.
  await tell(d, 'same');
  await tell(a, 'applied');
  expect(await turn(c)).toBe('go');
  await tell(b, 'undone', 'gateway 10.1.0.1 does not answer');
  const { generation } = await now(c);
  expect(await show('slots')).toEqual({
    ...{ role: 'slots', state: 'running', slots: 2, stop_after: 3 },
    change: { what: 'network of role/slots', by: 'ann', at: time, reason: 'faster' },
    ...{ waiting: 0, held: 0, staged: 0, applied: 2 },
    applying: [{ node: c, name: 'slots3.example.org', generation, since: time, until: time }],
    undone: [
      {
        ...{ node: b, name: 'slots2.example.org', generation, outcome: 'undone', at: time },
        reason: 'gateway 10.1.0.1 does not answer',
      },
    ],
  });
  await tell(c, 'applied');
  expect(await show('slots')).toMatchObject({ state: 'done', applied: 3, applying: [] });
});

test('as many roll-backs as are allowed stop it, until a person resumes it or the intent changes', async () => {
  const [a, b, c, d, e] = (await role('stop', 5)) as [string, string, string, string, string];
  await set('stop', { stop_after: 2 });
  await change('stop');
  for (const id of [a, b]) expect(await turn(id)).toBe('go');
  await tell(a, 'undone', 'no gateway');
  // Told twice, counted once.
  await tell(a, 'undone', 'no gateway');
  expect(await turn(c)).toBe('go');
  await tell(b, 'failed', 'netplan: bad');
  const why =
    '2 nodes are not as the change wants them (stop1.example.org, stop2.example.org), the first because: no gateway';
  expect(await turn(d)).toBe(`the roll-out of role stop is stopped: ${why}`);
  expect(await events('role/stop')).toEqual([
    { kind: 'role.put', actor: 'ann', reason: null, data: expect.anything() },
    { kind: 'rollout.set', actor: 'ann', reason: null, data: { role: 'stop', stop_after: 2 } },
    { kind: 'rollout.stopped', actor: 'system', reason: why, data: { role: 'stop', nodes: [a, b] } },
  ]);
  expect(await show('stop')).toMatchObject({
    ...{ state: 'stopped', waiting: 2, applied: 0, stopped: { at: time, reason: why } },
    applying: [{ node: c }],
    next: 'mend the intent, and it reaches all nodes anew; or machinedb rollout resume stop --reason TEXT lets those that wait go on',
  });
  // What was running when it stopped ends as it ends.
  await tell(c, 'applied');
  expect(await resume('stop')).toMatchObject({ state: 'running', waiting: 2, applied: 1 });
  await expect(resume('stop')).rejects.toThrow('the roll-out of role stop is not stopped');
  expect([await turn(d), await turn(e)]).toEqual(['go', 'go']);
  await tell(d, 'undone', 'no carrier');
  // The first two were looked at: this is one.
  expect((await show('stop')).state).toBe('running');
  await tell(e, 'undone', 'no carrier');
  expect((await show('stop')).state).toBe('stopped');
  await change('stop');
  expect(await show('stop')).toMatchObject({ state: 'running', waiting: 5, applied: 0, undone: [] });
  expect(await turn(a)).toBe('go');
});

test("a node's own change, its first configuration and the mending of drift wait for nobody", async () => {
  const [a, b, c] = (await role('own', 3)) as [string, string, string];
  await set('own', { slots: 1 });
  await ask('assignNode', { params: { node: b }, body: { fqdn: 'other.example.org', reason: 'renamed' } });
  expect(await turn(b)).toBe('go');
  await tell(b, 'applied');
  expect((await show('own')).state).toBe('idle');
  await change('own');
  expect(await turn(a)).toBe('go');
  // A change of its own brings no node past the turn it waits for.
  await ask('assignNode', { params: { node: b }, body: { fqdn: 'third.example.org', reason: 'renamed' } });
  await report(b, { nics: { a: { name: 'eth1', mac: '52:54:00:00:00:01' } } });
  expect(await turn(b)).toMatch(/^1 of role own applies now/);
  await db.updateTable('node').set({ state: 'configuring' }).where('id', '=', c).execute();
  expect(await turn(c)).toBe('go');
  await tell(a, 'applied');
  expect(await turn(b)).toBe('go');
  // Drift: what was applied already is applied again.
  expect(await turn(a)).toBe('go');
  await tell(a, 'undone', 'sshd -t: bad file');
  expect(await show('own')).toMatchObject({ applied: 1, undone: [] });
  expect((await show('own')).applying.map(({ node: id }) => id)).toEqual([b]);
  // The change is in the later generation, too.
  await ask('assignNode', { params: { node: b }, body: { fqdn: 'fourth.example.org', reason: 'renamed' } });
  await tell(b, 'applied');
  expect(await show('own')).toMatchObject({ applied: 2, waiting: 1, applying: [] });
});

test('only what a machine is asked to be different in is rolled out, and only where it may be applied', async () => {
  const [a, b] = (await role('what', 2)) as [string, string];
  await ask('assignNode', { params: { node: b }, body: { mode: 'observe', reason: 'looking' } });
  await ask('putRoleIntent', { params: { role: 'what', section: 'tags' }, query: {}, body: { gpu: true } });
  expect((await show('what')).state).toBe('idle');
  await change('what');
  expect((await show('what')).waiting).toBe(1);
  await ask('assignNode', { params: { node: a }, body: { mode: 'observe', reason: 'looking' } });
  expect(await show('what')).toMatchObject({ state: 'done', waiting: 0 });
  // To enforce a whole role changes its machines.
  const c = await node();
  await ask('assignNode', { params: { node: c }, body: { role: 'what', fqdn: 'what3.example.org', reason: 'new' } });
  await ask('putRoleIntent', { params: { role: 'what', section: 'mode' }, query: {}, body: { mode: 'enforce' } });
  expect(await show('what')).toMatchObject({ change: { what: 'mode of role/what' }, waiting: 1 });
  expect(await db.selectFrom('rollout_turn').select('node').where('role', '=', 'what').execute()).toEqual([
    { node: c },
  ]);
});

test('a change that waits for the next boot holds no slot, and is in force when that is told', async () => {
  const [a, b] = (await role('boots', 2)) as [string, string];
  await set('boots', { slots: 1 });
  await change('boots');
  expect(await turn(a)).toBe('go');
  await tell(a, 'planned', 'it is done at the next boot');
  expect(await turn(b)).toBe('go');
  expect(await show('boots')).toMatchObject({ staged: 1, waiting: 0, applied: 0 });
  await tell(a, 'applied');
  expect(await show('boots')).toMatchObject({ staged: 0, applied: 1 });
});

test('nodes without a role share slots; an old generation is not begun', async () => {
  const ids = [await node(), await node()];
  for (const id of ids) {
    await db.updateTable('node').set({ state: 'active' }).where('id', '=', id).execute();
    await ask('assignNode', { params: { node: id }, body: { mode: 'enforce', fqdn: `n${id}.x.org`, reason: 'new' } });
  }
  await set('-', { slots: 1 });
  await ask('putFleetIntent', { params: { section: 'ssh' }, query: {}, body: { permit_root_login: 'no' } });
  expect(await turn(ids[0]!)).toBe('go');
  expect(await turn(ids[1]!)).toMatch(/^1 of role - applies now/);
  expect(await askAs(ids[1]!, 'askSelfSlot', { generation: 1 })).toEqual({
    go: false,
    reason: 'generation 2 is wanted by now',
  });
  expect(await show('-')).toMatchObject({ change: { what: 'ssh of fleet' }, waiting: 1 });
  await expect(show('nope')).rejects.toThrow('there is no role "nope": machinedb role list shows them');
});

test('a node that tells nothing in time counts as failed, once, and another gets its slot', async () => {
  const [a, b] = (await role('silent', 2)) as [string, string];
  await set('silent', { slots: 1, stop_after: 1 });
  await change('silent');
  expect(await turn(a)).toBe('go');
  await db
    .updateTable('apply_slot')
    .set({ until: new Date(0) })
    .where('node', '=', a)
    .execute();
  await Promise.all([1, 2, 3].map(() => transaction(db, expireSlots)));
  const shown = await show('silent');
  expect(shown).toMatchObject({ state: 'stopped', waiting: 1, applying: [], undone: [{ node: a, outcome: 'failed' }] });
  expect(shown.undone[0]!.reason).toMatch(
    /^its agent began, and told nothing within -?\d+ s: look at the node's console/,
  );
  expect((await events(`node/${a}`)).filter(({ kind }) => kind === 'apply.failed')).toHaveLength(1);
  // It was only late.
  await tell(a, 'applied');
  await resume('silent');
  expect(await turn(b)).toBe('go');
  expect(await show('silent')).toMatchObject({ applied: 1, undone: [] });
});
