import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { deadlocks } from '../testing/statistics.ts';
import { createJoinToken } from '../trust/join-token.ts';
import { type Machine, machine, unique, withTrust } from '../trust/testing/machine.ts';

const trust = await withTrust({ MACHINEDB_PENDING_PER_SOURCE: '8' });
const { db } = trust;

const enrolAll = (machines: Machine[], from: string) =>
  Promise.allSettled(machines.map((each) => trust.enrol(each, {}, from)));
const machines = (count: number) => Array.from({ length: count }, () => machine());

/** Of each node of this source: when its transaction began. */
async function begun(source: string): Promise<number[]> {
  const rows = await db.selectFrom('node').select('created_at').where('claimed_from', '=', source).execute();
  return rows.map(({ created_at }) => created_at.getTime());
}

test('machines that claim at once are made in one transaction, each with all that is its own', async () => {
  const claimants = machines(8);
  const settled = await enrolAll(claimants, '192.0.2.1');
  const answers = settled.map((each) => (each.status === 'fulfilled' ? each.value : undefined));
  expect(answers).toEqual(
    claimants.map(({ fingerprint }) => ({
      ...{ node: expect.any(String), fingerprint, state: 'discovered', status: 'pending' },
    })),
  );
  expect(new Set(await begun('192.0.2.1')).size).toBe(1);
  for (const [i, { fingerprint, publicKey, hardware }] of claimants.entries()) {
    const { node } = answers[i]!;
    const row = await db.selectFrom('node').selectAll().where('id', '=', node).executeTakeFirstOrThrow();
    expect(row).toMatchObject({ state: 'discovered', level: 'claimed', claimed_from: '192.0.2.1', hardware });
    const key = await db.selectFrom('node_key').selectAll().where('node', '=', node).executeTakeFirstOrThrow();
    expect(key).toMatchObject({ fingerprint, public_key: publicKey, kind: 'ed25519', status: 'current' });
    expect(await trust.events(node)).toEqual(['node.enrolled']);
    // Its key and its hardware are known from now on.
    expect(await trust.enrol(claimants[i]!)).toEqual(answers[i]);
    expect(await trust.enrol({ ...machine(), hardware })).toMatchObject({ node });
  }
});

test('what is refused or known among claims at once harms no other', async () => {
  const known = machine();
  const { node } = await trust.enrol(known, {}, '192.0.2.2');
  const fresh = machines(6);
  const twin = { ...machine(), hardware: fresh[0]!.hardware };
  const settled = await enrolAll([known, ...fresh, twin, ...machines(3)], '192.0.2.2');
  const nodes = settled.map((each) => (each.status === 'fulfilled' ? each.value.node : each.reason.message));
  expect(nodes[0]).toBe(node);
  // The same hardware with another key is the same machine, and not a second one.
  expect(nodes[7]).toBe(nodes[1]);
  const full = '8 machines from 192.0.2.2 wait for approval: approve or revoke some first';
  expect(nodes.slice(8)).toEqual([expect.not.stringMatching(full), full, full]);
  expect(await begun('192.0.2.2')).toHaveLength(8);
});

test('two keys that claim at once with one nonce: one is served, and its node is locked', async () => {
  const nonce = trust.nonce();
  const settled = await Promise.allSettled(machines(2).map((each) => trust.enrol(each, { nonce }, '192.0.2.3')));
  expect(settled.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  const rows = await db.selectFrom('node').select('locked_reason').where('claimed_from', '=', '192.0.2.3').execute();
  expect(rows).toEqual([{ locked_reason: 'two keys claimed with one nonce: somebody else may have seen it' }]);
});

test('a machine that a rule is about is approved by it, among others that are not', async () => {
  await db.insertInto('approval_rule').values({ name: 'acme', product: 'X9', created_by: 'ann' }).execute();
  const ruled = machine({ ...unique(), product: 'X9' });
  const settled = await enrolAll([machine(), ruled, machine()], '192.0.2.4');
  expect(settled.map((each) => each.status === 'fulfilled' && each.value.status)).toEqual([
    ...['pending', 'approved', 'pending'],
  ]);
});

test('machines that tokens and rules approve at once are approved in one transaction, each by its own, with its place and role', async () => {
  await sql`insert into site (name) values ('ams1'), ('ber')`.execute(db);
  await sql`insert into role (name) values ('web')`.execute(db);
  await db.insertInto('approval_rule').values({ name: 'z', product: 'Z1', site: 'ber', created_by: 'ann' }).execute();
  const token = await createJoinToken(db, { uses: 2, expiresInS: 3600, by: 'ann', site: 'ams1', role: 'web' });
  const ruled = () => machine({ ...unique(), product: 'Z1' });
  const claimants = [machine(), ruled(), ...machines(3), ruled()];
  const before = await deadlocks(db);
  const settled = await Promise.all(
    claimants.map((each, i) => trust.enrol(each, i > 1 && i < 5 ? { joinToken: token.token } : {}, '192.0.2.5')),
  );
  const [waits, approved] = [
    { state: 'discovered', status: 'pending' },
    { state: 'approved', status: 'approved' },
  ];
  expect(settled).toMatchObject([waits, approved, approved, approved, waits, approved]);
  expect(new Set(await begun('192.0.2.5')).size).toBe(1);
  expect(await deadlocks(db)).toBe(before);
  const ids = settled.map(({ node }) => node);
  const { rows } = await sql`
    select n.site, n.role, n.wanted <> '{}' as wanted, n.generation, node.state, node.level, (
      select array_agg(kind || ' ' || actor order by seq) from event where subject = 'node/' || node.id) as events
    from unnest(${ids}::uuid[]) with ordinality as asked(id, i) join node using (id) join node_now n on n.node = id order by i`.execute(
    db,
  );
  const by = (id: string, actor: string) => [
    `node.enrolled node/${id}`,
    `node.approved ${actor}`,
    `node.state ${actor}`,
  ];
  const is = { state: 'approved', level: 'approved', wanted: true, generation: 1 };
  const new_ = { site: null, role: null, wanted: false, generation: 0, state: 'discovered', level: 'claimed' };
  const byToken = { ...is, site: 'ams1', role: 'web' };
  const byRule = { ...is, site: 'ber', role: null };
  expect(rows).toEqual([
    { ...new_, events: [`node.enrolled node/${ids[0]}`] },
    { ...byRule, events: by(ids[1]!, 'rule/z') },
    { ...byToken, events: by(ids[2]!, `join-token/${token.id}`) },
    { ...byToken, events: by(ids[3]!, `join-token/${token.id}`) },
    { ...new_, events: [`node.enrolled node/${ids[4]}`] },
    { ...byRule, events: by(ids[5]!, 'rule/z') },
  ]);
  const { rows: intended } = await sql`
    select i::integer, section, data, actor from unnest(${ids}::uuid[]) with ordinality as asked(id, i)
    join revision on subject = 'node/' || id and side = 'intended' and upper_inf(valid) order by i, section`.execute(
    db,
  );
  const gives = (i: number, actor: string, site: string) => ({ i, section: 'placement', data: { site }, actor });
  const role = (i: number) => ({ i, section: 'role', data: { name: 'web' }, actor: `join-token/${token.id}` });
  expect(intended).toEqual([
    gives(2, 'rule/z', 'ber'),
    ...[gives(3, `join-token/${token.id}`, 'ams1'), role(3), gives(4, `join-token/${token.id}`, 'ams1'), role(4)],
    gives(6, 'rule/z', 'ber'),
  ]);
  const { uses_left } = await db
    .selectFrom('join_token')
    .select('uses_left')
    .where('id', '=', token.id)
    .executeTakeFirstOrThrow();
  expect(uses_left).toBe(0);
});
