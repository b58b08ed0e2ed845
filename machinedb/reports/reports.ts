import { sql } from 'kysely';
import type { Report } from '../../shared/api/agent.ts';
import { factsHash, hashOf } from '../../shared/hash.ts';
import { dueCabling } from '../cabling/due.ts';
import { type Db, type Tx, transaction } from '../db.ts';
import { hardwareEvents } from '../drift/hardware.ts';
import { judgeNodes } from '../drift/judge.ts';
import { append, type NewEvent, type NewRevision, type Written } from '../feed/feed.ts';
import { Problem } from '../http/problem.ts';
import { judgeReported } from '../identity/hardware.ts';
import { countFindings } from '../intent/findings.ts';
import { project } from '../intent/project.ts';
import { followParts, type NodeParts } from '../parts/follow.ts';
import { partChange, partSections } from '../parts/parts.ts';
import type { Hardware, Level } from '../schema.ts';
import type { Keys } from '../trust/keys.ts';
import type { Metrics } from '../watch/metrics.ts';
import { advance } from '../watch/states.ts';
import { createBatcher } from './batch.ts';
import { alarmHourly, judgeBoot } from './boots.ts';
import { intendedOnly, judge, limitErrors, MAX_SECTIONS } from './sections.ts';

const BATCH = 50;
const WAITING = 2000;

export interface ReportReply {
  hashes: Record<string, string>;
  rejected: Record<string, string>;
}

export interface Reports {
  /**
   * Stores what a node reports of itself, durably before it resolves. Throws when the report is out of order, or the node
   * was revoked.
   *
   * @param digest hash of the report's bytes, which tells a retry from another report
   */
  put(node: string, report: Report, digest: string): Promise<ReportReply>;
  close(): Promise<void>;
}

/** Sections that tell which cable is where. */
const cabling = ['lldp', 'nics'];

interface Item {
  node: string;
  report: Report;
  digest: string;
}

interface Current {
  node: string;
  hashes: Record<string, string>;
  observed: Record<string, unknown>;
  level: Level;
  hardware: Hardware;
}

/** What one report does to its node's row. */
interface Change {
  node: string;
  set: Record<string, unknown>;
  remove: string[];
  hashes: Record<string, string>;
  facts: string;
  errors: Record<string, string>;
  boot_id: string;
}

export function createReports(db: Db, keys: Keys, metrics: Metrics): Reports {
  const batcher = createBatcher<Item, ReportReply>({
    size: BATCH,
    waiting: WAITING,
    keyOf: ({ node }) => node,
    run: async (items) => {
      const sorted = [...items].sort((a, b) => (a.node < b.node ? -1 : 1));
      const { results, revisions } = await transaction(db, (tx) => store(tx, keys, sorted));
      metrics.reports(items.length, revisions);
      return items.map(({ node }) => results.get(node)!);
    },
  });
  return {
    put: async (node, report, digest) => await batcher.put({ node, report, digest }),
    close: () => batcher.close(),
  };
}

async function store(
  tx: Tx,
  keys: Keys,
  items: Item[],
): Promise<{ results: Map<string, ReportReply | Problem>; revisions: number }> {
  const current = await lockNodes(
    tx,
    items.map(({ node }) => node),
  );
  const results = new Map<string, ReportReply | Problem>();
  const revisions: NewRevision[] = [];
  const events: NewEvent[] = [];
  const changes: Change[] = [];
  for (const item of items) {
    const row = current.get(item.node);
    if (row === undefined) {
      results.set(item.node, new Problem('unauthenticated', 'this node was revoked: an operator can approve it again'));
      continue;
    }
    const { boot_id, seq } = item.report;
    const { outcome, events: alarms } = await judgeBoot(tx, {
      node: item.node,
      bootId: boot_id,
      seq,
      digest: item.digest,
    });
    events.push(...alarms);
    if ('problem' in outcome) {
      results.set(item.node, outcome.problem);
      continue;
    }
    const { change, rejected } = apply(row, item.report);
    events.push(...(await pretences(tx, item.node, rejected)));
    results.set(item.node, { hashes: change.hashes, rejected });
    if (outcome.verdict === 'again') continue;
    if (row.level !== 'claimed') events.push(...(await judgeReported(tx, item.node, row, change.set)));
    changes.push(change);
    revisions.push(...toRevisions(change));
    events.push(...hardwareEvents(item.node, row.observed, change.set));
  }
  await storeChanges(tx, changes);
  const nodes = changes.map(({ node }) => node);
  const projected = await projectReported(tx, keys, nodes);
  const moved = await advance(tx, nodes);
  const all = [...revisions, ...projected.revisions, ...moved.revisions];
  const written = await append(tx, all, [...events, ...moved.events]);
  await followParts(tx, partsIn(revisions, written.revisions, current));
  return { results, revisions: revisions.length };
}

/** A node whose intent contradicts another's keeps reporting: its facts are stored, and the contradiction is a finding. */
async function projectReported(tx: Tx, keys: Keys, nodes: string[]): Promise<{ revisions: NewRevision[] }> {
  await sql`savepoint projection`.execute(tx);
  try {
    return await project(tx, keys, nodes, 'system');
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    await sql`rollback to savepoint projection`.execute(tx);
    if (nodes.length === 1) {
      await judgeNodes(tx, nodes);
      await addFinding(tx, nodes[0]!, error.message);
      return { revisions: [] };
    }
  }
  const revisions: NewRevision[] = [];
  for (const node of nodes) revisions.push(...(await projectReported(tx, keys, [node])).revisions);
  return { revisions };
}

async function addFinding(tx: Tx, node: string, message: string): Promise<void> {
  const finding = { kind: 'mismatch' as const, severity: 'error' as const, message };
  await tx
    .insertInto('finding')
    .values({ node, section: 'intent', path: '', ...finding, expected: 'null', got: 'null' })
    .onConflict((conflict) => conflict.columns(['node', 'section', 'path']).doUpdateSet(finding))
    .execute();
  await countFindings(tx, [node]);
}

async function lockNodes(tx: Tx, ids: string[]): Promise<Map<string, Current>> {
  const rows = await tx
    .selectFrom('node')
    .innerJoin('node_now', 'node_now.node', 'node.id')
    .select(['node.id as node', 'hashes', 'observed', 'level', 'hardware'])
    .where('node.id', 'in', ids)
    .where('revoked_at', 'is', null)
    .orderBy('node.id')
    .forUpdate('node')
    .execute();
  return new Map(rows.map((row) => [row.node, row]));
}

function apply(row: Current, report: Report): { change: Change; rejected: Record<string, string> } {
  const { accepted, rejected } = judge(report.sections);
  const set: Record<string, unknown> = {};
  const remove: string[] = [];
  const hashes = { ...row.hashes };
  for (const [name, data] of Object.entries(accepted)) {
    // The hash is over what the agent sent: it compares with what it has, whatever was cut here.
    const hash = hashOf(report.sections[name]);
    if (data === null) {
      if (hashes[name] !== undefined) remove.push(name);
      delete hashes[name];
    } else if (hashes[name] === undefined && Object.keys(hashes).length >= MAX_SECTIONS) {
      rejected[name] = `a node has at most ${MAX_SECTIONS} sections`;
    } else if (hashes[name] !== hash) {
      set[name] = data;
      hashes[name] = hash;
    }
  }
  const errors = limitErrors(report.errors ?? {});
  return {
    rejected,
    change: { node: row.node, set, remove, hashes, facts: factsHash(hashes), errors, boot_id: report.boot_id },
  };
}

function toRevisions({ node, set, remove }: Change): NewRevision[] {
  const common = { subject: `node/${node}`, side: 'observed', source: 'agent', actor: `node/${node}` } as const;
  return [
    ...Object.entries(set).map(([section, data]) => ({ ...common, section, data })),
    ...remove.map((section) => ({ ...common, section, data: null })),
  ];
}

/** What revisions say of parts, as far as they were written: equal data says nothing new. */
function partsIn(
  revisions: NewRevision[],
  written: (Written | undefined)[],
  before: Map<string, Current>,
): NodeParts[] {
  return revisions.flatMap(({ actor, section, data }, i) => {
    const place = written[i];
    if (place === undefined || !partSections.has(section)) return [];
    const node = actor.slice('node/'.length);
    return { node, seq: place.seq, ...partChange(section, before.get(node)?.observed[section], data) };
  });
}

/** 77: a report that claims a role or place is not an accident. */
async function pretences(tx: Tx, node: string, rejected: Record<string, string>): Promise<NewEvent[]> {
  const sections = Object.keys(rejected).filter((name) => intendedOnly.has(name));
  if (sections.length === 0) return [];
  return await alarmHourly(tx, node, 'alarm.report', 'the node reported what only people may say', { sections });
}

async function storeChanges(tx: Tx, changes: Change[]): Promise<void> {
  if (changes.length === 0) return;
  await sql`
    update node_now n set observed = (n.observed || c.set) - array(select jsonb_array_elements_text(c.remove)),
      hashes = c.hashes, facts = c.facts, errors = c.errors, boot_id = c.boot_id, observed_at = clock_timestamp()
    from json_to_recordset(${JSON.stringify(changes)}::json) as
      c(node uuid, set jsonb, remove jsonb, hashes jsonb, facts text, errors jsonb, boot_id text)
    where n.node = c.node`.execute(tx);
  const cabled = changes.filter(({ set, remove }) => cabling.some((name) => name in set || remove.includes(name)));
  await dueCabling(
    tx,
    cabled.map(({ node }) => node),
  );
}
