import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { fleetAt } from './asof.ts';
import { createInventoryCache } from './inventory-cache.ts';
import { listNodes } from './node-list.ts';
import { withDatabase } from './testing/database.ts';

const { db } = await withDatabase();
test('bench', async () => {
  await sql`insert into node (state, level) select 'active','approved' from generate_series(1,10000)`.execute(db);
  await sql`insert into node_now (node, observed, wanted, fqdn, tags, model, serial, observed_at)
   select id, jsonb_build_object('network', jsonb_build_object('interfaces', jsonb_build_object('eth0', jsonb_build_object('addresses', jsonb_build_object('10.0.0.1/8', '{}'::jsonb)))), 'pci', (select jsonb_object_agg(i, md5(i::text)) from generate_series(1,50) i)), '{}', 'n' || id || '.example.com', '{a,b}', 'R750', 'S', now() from node`.execute(
    db,
  );
  await sql`insert into revision (seq, at, subject, side, source, section, data, hash, actor, valid)
    select nextval('feed_seq'), now(), 'node/'||node, 'derived','server','state','{"state":"active","level":"approved"}','','a',tstzrange(now(),null) from node_now`.execute(
    db,
  );
  await sql`insert into revision (seq, at, subject, side, source, section, data, hash, actor, valid)
    select nextval('feed_seq'), now(), 'node/'||node, 'observed','agent',s,observed->'pci','','a',tstzrange(now(),null) from node_now, unnest(array['system','nics','pci','network','hostname','cpu']) s`.execute(
    db,
  );
  await sql`analyze`.execute(db);
  const get = createInventoryCache(db);
  const time = async (name: string, f: () => Promise<unknown>) => {
    const t = performance.now();
    await f();
    console.log(name, Math.round(performance.now() - t), 'ms');
  };
  await time('cold', get);
  await time('warm', get);
  await time('warm', get);
  await sql`update node_now set findings = 1 where node = (select node from node_now limit 1)`.execute(db);
  await time('one changed', get);
  await time('50 concurrent', () => Promise.all(Array.from({ length: 50 }, get)));
  await time('list 100', () => listNodes(db, {}));
  await time('list q', () => listNodes(db, { q: 'nothing-like-it' }));
  const now = new Date().toISOString();
  await time('asof all', () => fleetAt(db, now));
  await time('asof 100', () => fleetAt(db, now, { limit: 101 }));
  const [{ node: first }] = (await db.selectFrom('node_now').select('node').limit(1).execute()) as any;
  await time('asof one', () => fleetAt(db, now, { ids: [first] }));
  await time('asof list q', () => listNodes(db, { as_of: now, q: 'nothing-like-it' }));
  expect(1).toBe(1);
}, 60000);
