import type { Db } from '../db.ts';
import { transaction } from '../db.ts';
import { append, type NewRevision } from '../feed/feed.ts';
import { findingsOf, storeFindings } from '../intent/findings.ts';
import { hotOf } from '../nodes/hot.ts';

export interface TestNode {
  observed?: Record<string, unknown>;
  wanted?: Record<string, unknown>;
  state?: 'approved' | 'discovered' | 'active' | 'retired';
}

/** Writes a node as enrolment, reports and the projection do together; a second time it changes it. */
export async function putNode(db: Db, id: string, { observed = {}, wanted = {}, state = 'approved' }: TestNode) {
  const level = state === 'discovered' ? 'claimed' : 'approved';
  const { site, rack, role, ...hot } = hotOf(observed, wanted);
  await transaction(db, async (tx) => {
    if (site !== undefined) {
      await tx
        .insertInto('site')
        .values({ name: site })
        .onConflict((c) => c.doNothing())
        .execute();
      if (rack !== undefined)
        await tx
          .insertInto('rack')
          .values({ site, name: rack, height: 42 })
          .onConflict((c) => c.doNothing())
          .execute();
    }
    if (role !== undefined)
      await tx
        .insertInto('role')
        .values({ name: role })
        .onConflict((c) => c.doNothing())
        .execute();
    const node = { id, state, level } as const;
    const before = await tx.selectFrom('node_now').select('observed').where('node', '=', id).executeTakeFirst();
    const gone = Object.keys(before?.observed ?? {}).filter((section) => !(section in observed));
    await tx
      .insertInto('node')
      .values({ ...node, hardware: '{}' })
      .onConflict((c) => c.column('id').doUpdateSet(node))
      .execute();
    const now = {
      node: id,
      observed: JSON.stringify(observed),
      wanted: JSON.stringify(wanted),
      generation: 1,
      hashes: '{}',
      errors: '{}',
      observed_at: new Date(),
      ...{ site, rack, role, ...hot },
    };
    await tx
      .insertInto('node_now')
      .values(now)
      .onConflict((c) => c.column('node').doUpdateSet(now))
      .execute();
    const common = { subject: `node/${id}`, actor: 'test' };
    await storeFindings(tx, [id], findingsOf(id, wanted, observed, [], []));
    const revisions: NewRevision[] = [
      ...Object.entries(observed),
      ...gone.map((section) => [section, null] as const),
    ].map(([section, data]) => ({
      ...common,
      side: 'observed',
      source: 'agent',
      section,
      data,
    }));
    await append(tx, [
      ...revisions,
      { ...common, side: 'derived', source: 'server', section: 'state', data: { state, level } },
      { ...common, side: 'derived', source: 'server', section: 'wanted', data: { wanted, generation: 1 } },
    ]);
  });
}
