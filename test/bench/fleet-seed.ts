import { join } from 'node:path';
import { sql } from 'kysely';
import { hardwareOf } from '../../agent/client/hardware.ts';
import { type Db, openDb, transaction } from '../../machinedb/db.ts';
import { hintsOf } from '../../machinedb/enrol/hints.ts';
import { identifying } from '../../machinedb/enrol/match.ts';
import { append, type NewRevision } from '../../machinedb/feed/feed.ts';
import { project } from '../../machinedb/intent/project.ts';
import { type Keys, openKeys } from '../../machinedb/trust/keys.ts';
import { factsHash, hashOf } from '../../shared/hash.ts';
import { firstFaults, sectionsWith } from '../fleet/faults.ts';
import { type Machine, makeMachine, type Sections } from '../fleet/machine.ts';
import { RACK_HEIGHT } from '../fleet/place.ts';
import type { Harness } from '../harness.ts';
import { each } from './measure.ts';

const CHUNK = 500;
/** What is kept of a machine's report, so that 100,000 of them fit: what lists, inventory and findings are made of. */
const SECTIONS = ['system', 'cpu', 'firmware', 'nics', 'hostname', 'network', 'os'];

/** The id of a seeded node. */
export const idOf = (index: number) => `5eed0000-0000-4000-8000-${index.toString(16).padStart(12, '0')}`;

export interface Seeded {
  db: Db;
  keys: Keys;
  close(): Promise<void>;
}

/**
 * Fills a database with a fleet: rows as enrolment, reports and assignments write them, in bulk, and what follows from them is
 * made by project() itself.
 */
export async function seedFleet(harness: Harness, size: number): Promise<Seeded> {
  const db = openDb({ url: harness.databaseUrl, max: 4, statementTimeoutMs: 300_000, onError: () => {} });
  const keys = await openKeys(db, join(harness.daemons[0].stateDirectory, 'kek'), Date.now);
  const indexes = Array.from({ length: size }, (_, i) => i);
  await makePlaces(db, indexes.map(makeMachine));
  const chunks = Array.from({ length: Math.ceil(size / CHUNK) }, (_, i) => indexes.slice(i * CHUNK, (i + 1) * CHUNK));
  // While one works out what follows, the other writes.
  await each(chunks, 2, (chunk) => seedChunk(db, keys, chunk.map(makeMachine)));
  await sql`vacuum analyze`.execute(db);
  // What seeding left to be written is not what a fleet at rest costs.
  await sql`checkpoint`.execute(db);
  const close = async () => {
    keys.close();
    await db.destroy();
  };
  return { db, keys, close };
}

async function makePlaces(db: Db, machines: Machine[]): Promise<void> {
  const distinct = <Item>(items: Item[]) => [...new Map(items.map((item) => [JSON.stringify(item), item])).values()];
  const places = machines.map(({ place }) => place);
  const [sites, roles] = [distinct(places.map(({ site }) => site)), distinct(places.map(({ model }) => model.role))];
  const racks = distinct(places.map(({ site, rack }) => ({ site, name: rack, height: RACK_HEIGHT })));
  await sql`insert into site (name) select unnest(${sites}::text[])`.execute(db);
  await sql`insert into role (name) select unnest(${roles}::text[])`.execute(db);
  await sql`insert into rack (site, name, height)
    select site, name, height from json_to_recordset(${JSON.stringify(racks)}::json) as r(site text, name text, height int)`.execute(
    db,
  );
}

async function seedChunk(db: Db, keys: Keys, machines: Machine[]): Promise<void> {
  const nodes = machines.map((machine) => {
    const observed = kept(sectionsWith(machine, firstFaults(machine.index)));
    const hashes = Object.fromEntries(Object.entries(observed).map(([name, data]) => [name, hashOf(data)]));
    const hardware = hardwareOf({ sections: machine.sections, errors: {} } as never);
    const id = idOf(machine.index);
    return {
      id,
      observed,
      hashes,
      facts: factsHash(hashes),
      hardware: identifying(hardware),
      hints: hintsOf(hardware),
    };
  });
  const json = JSON.stringify(nodes);
  await transaction(db, async (tx) => {
    const rows = sql`json_to_recordset(${json}::json) as
      x(id uuid, observed jsonb, hashes jsonb, facts text, hardware jsonb, hints text[])`;
    await sql`insert into node (id, state, level, hardware, claimed_from)
      select id, 'active', 'approved', hardware, '10.0.0.1' from ${rows}`.execute(tx);
    await sql`insert into node_hint (hint, node) select unnest(hints), id from ${rows}`.execute(tx);
    await sql`insert into node_now (node, observed, hashes, facts, observed_at, boot_id, reachable)
      select id, observed, hashes, facts, now(), 'seed', true from ${rows}`.execute(tx);
    await sql`insert into heartbeat (node, at, lease_ms, boot_id, seq, version, generation)
      select id, now(), 86400000, 'seed', 1, '0.1.0', 1 from ${rows}`.execute(tx);
    await sql`insert into placement (node, site, rack, face, faces, units)
      select node, site, rack, 'both', '[1,2]', int4range(unit, unit + height)
      from json_to_recordset(${JSON.stringify(machines.map(placementOf))}::json) as
        x(node uuid, site text, rack text, unit int, height int)`.execute(tx);
    await append(tx, [...nodes.flatMap(reported), ...machines.flatMap(intended)]);
  });
  await transaction(db, async (tx) => {
    const projected = await project(
      tx,
      keys,
      nodes.map(({ id }) => id),
      'seed',
    );
    await append(tx, projected.revisions);
  });
}

function placementOf({ index, place: { site, rack, unit, model } }: Machine) {
  return { node: idOf(index), site, rack, unit, height: model.height };
}

function kept(sections: Sections): Sections {
  return Object.fromEntries(Object.entries(sections).filter(([name]) => SECTIONS.includes(name)));
}

function intentOf({ place: { site, rack, unit, model, fqdn } }: Machine): Record<string, unknown> {
  const [hostname, ...domain] = fqdn.split('.');
  return {
    placement: { site, rack, unit, height: model.height },
    role: { name: model.role },
    tags: { lab: true },
    hostname: { hostname, domain: domain.join('.') },
  };
}

function reported({ id, observed }: { id: string; observed: Sections }): NewRevision[] {
  const subject = `node/${id}`;
  const common = { subject, actor: subject };
  return [
    ...Object.entries(observed).map(
      ([section, data]): NewRevision => ({ ...common, side: 'observed', source: 'agent', section, data }),
    ),
    { ...common, side: 'derived', source: 'server', section: 'state', data: { state: 'active', level: 'approved' } },
  ];
}

function intended(machine: Machine): NewRevision[] {
  const subject = `node/${idOf(machine.index)}`;
  const sections = intentOf(machine);
  const common = { subject, side: 'intended', source: 'operator', actor: 'seed', reason: 'seed' } as const;
  return Object.entries(sections).map(([section, data]) => ({ ...common, section, data }));
}
