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

  const q = async (name: string, text: string) => { const { rows } = await sql.raw('explain (analyze, costs off, timing off) ' + text).execute(db); console.log(name + ' ms\n' + rows.map((r: any) => r['QUERY PLAN'] + ' ms').join('\n')); };
  const T = "'" + now + "'::timestamptz";
  await q('open', `select subject, side, section, data from revision where valid @> ${T} and (side = 'derived' or side='observed' and section in ('system', 'nics', 'hostname', 'network', 'ssh', 'repos'))`);
  await q('agg', `select subject, jsonb_object_agg(section, data) filter (where side = 'observed' and data is not null) as observed from revision where valid @> ${T} and (side = 'derived' or side='observed' and section in ('system', 'nics', 'hostname', 'network', 'ssh', 'repos')) group by subject`);
  await q('obs', `select subject, max(lower(valid)) from revision where side = 'observed' and at <= ${T} group by subject`);
  expect(1).toBe(1);
}, 60000);
