import { type Db, transaction } from '../db.ts';
import { withIntents } from '../testing/intents.ts';
import { askSlot } from './slot.ts';

/** Milliseconds that an apply may take in these tests. */
export const LIMIT_MS = 60_000;

/** A database as withIntents() makes it, with roles whose nodes are enforced and active. */
export async function withRollouts() {
  const intents = await withIntents();
  const { ask, askAs, node, now, db } = intents;
  let mtu = 1500;

  /** Makes a role want something else of its machines; answers how many nodes that changes. */
  async function change(role: string, reason?: string): Promise<number> {
    const body = { interfaces: { eth0: { mtu: mtu++ } } };
    const params = { role, section: 'network' };
    const headers = (await isIntended(role)) ? { 'if-match': '*' } : {};
    return (await ask('putRoleIntent', { params, query: { reason }, body }, headers)).affected;
  }

  async function isIntended(role: string): Promise<boolean> {
    const subject = `role/${role}`;
    const query = db
      .selectFrom('revision')
      .select('seq')
      .where('subject', '=', subject)
      .where('section', '=', 'network');
    return (await query.executeTakeFirst()) !== undefined;
  }

  /** A role with nodes NAME1, NAME2, ..., which are as it wants them. Answers their ids. */
  async function role(name: string, count: number): Promise<string[]> {
    await ask('putRole', { params: { role: name }, body: {} });
    await change(name);
    const ids: string[] = [];
    for (let i = 1; i <= count; i++) {
      const id = await node({ nics: { a: { name: 'eth0', mac: '52:54:00:00:00:01' } } });
      await db.updateTable('node').set({ state: 'active' }).where('id', '=', id).execute();
      const body = { role: name, mode: 'enforce', fqdn: `${name}${i}.example.org`, reason: 'new' };
      await ask('assignNode', { params: { node: id }, body });
      ids.push(id);
    }
    return ids;
  }

  /** Asks for a node's turn with what is wanted of it now; answers `go` or why it waits. */
  async function turn(id: string, on: Db = db): Promise<string> {
    const { generation } = await now(id);
    const { go, reason } = await transaction(on, (tx) => askSlot(tx, id, generation, LIMIT_MS));
    return go ? 'go' : reason!;
  }

  /** Tells an outcome of what is wanted of a node now. */
  async function tell(id: string, outcome: string, reason?: string): Promise<void> {
    const { generation } = await now(id);
    await askAs(id, 'putSelfApplied', { generation, outcome, steps: [], reason });
  }

  const show = async (name: string) => (await ask('listRollouts', { query: { role: name } })).items[0]!;
  return { ...intents, change, role, turn, tell, show };
}
