import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { withDatabase } from '../testing/database.ts';

const { db } = await withDatabase();
const migration = (name: string) => sql.raw(readFileSync(join(import.meta.dirname, name), 'utf8'));

test('a network of a site, its reserved ranges and its addresses are the same afterwards', async () => {
  await db.transaction().execute(async (tx) => {
    await sql`create schema before`.execute(tx);
    await sql`set local search_path = before, public`.execute(tx);
    for (const name of ['0001_first.sql', '0002_install.sql', '0003_rollout.sql']) await migration(name).execute(tx);
    await sql`insert into site (name) values ('ams')`.execute(tx);
    await sql`
      insert into network (name, site, cidr)
      values ('everywhere', null, '10.1.0.0/24'), ('there', 'ams', '10.2.0.0/24')`.execute(tx);
    await sql`
      insert into network_reserved (network, first, last)
      values ('everywhere', '10.1.0.1', '10.1.0.9'), ('there', '10.2.0.1', '10.2.0.9')`.execute(tx);
    await sql`
      insert into allocation (address, network, interface, label)
      values ('10.1.0.10', 'everywhere', 'eth0', 'a'), ('10.2.0.10', 'there', 'eth0', 'a')`.execute(tx);
    await migration('0004_networks.sql').execute(tx);
    const { rows } = await sql`
      select n.key, n.name, n.site, n.rack, host(a.address) as address, host(r.first) as first
      from network n join allocation a on a.network = n.key join network_reserved r on r.network = n.key
      order by n.key`.execute(tx);
    expect(rows).toEqual([
      { key: 'ams:there', name: 'there', site: 'ams', rack: null, address: '10.2.0.10', first: '10.2.0.1' },
      { key: 'everywhere', name: 'everywhere', site: null, rack: null, address: '10.1.0.10', first: '10.1.0.1' },
    ]);
  });
});
