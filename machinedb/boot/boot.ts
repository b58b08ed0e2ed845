import { sql } from 'kysely';
import type { BootAnswer, BootRequest } from '../../shared/boot.ts';
import type { Context } from '../context.ts';
import type { Reader } from '../db.ts';
import { newestDiscovery } from '../install/catalogue.ts';
import { type BootFacts, type BootNode, decideBoot } from './decide.ts';
import { isUsed, newestKey } from './once.ts';

/**
 * Answers how a machine boots, and why. It only reads.
 *
 * @param site whose relay asks: a node of another site is a machine that nobody knows; undefined: every node counts
 */
export async function explainBoot(context: Context, request: BootRequest, site?: string): Promise<BootAnswer> {
  const rows = await bootNodes(context.db)
    .where('node.merged_into', 'is', null)
    .where(
      sql<boolean>`node.id in (
        select node from node_now where macs @> array[${request.mac}]::text[]
        union select node from node_hint where hint = ${`mac:${request.mac}`}
        union select node from intended_mac where mac = ${request.mac}::macaddr)`,
    )
    .execute();
  const nodes = rows
    .filter((row) => site === undefined || row.site === null || row.site === site)
    .map((row) => toBootNode(row, request.mac));
  const facts = await bootFacts(context);
  // PostgreSQL's clock says when a rescue is over, so that no daemon opens it longer than another.
  return decideBoot({ nodes, ...facts, now: rows[0]?.at.getTime() ?? facts.now });
}

/** What every decision of now is made of, besides the node. */
export async function bootFacts({ db, keys, now }: Context): Promise<Omit<BootFacts, 'nodes'>> {
  const words = [
    'quiet',
    'console=tty0',
    'console=ttyS0,115200',
    // Nobody stands beside it: a kernel that panics boots again, half a minute later.
    'panic=30',
    `machinedb.pin=${keys.trust().pins.join(',')}`,
    // A machine whose clock says 1970 learns from it what time it is at least.
    `machinedb.time=${Math.floor(now() / 1000)}`,
  ];
  return { discovery: await newestDiscovery(db), arguments: words, now: now() };
}

/** Nodes in the order of their ids, with what decides how they boot. */
export function bootNodes(db: Reader) {
  return db
    .selectFrom('node')
    .innerJoin('node_now as n', 'n.node', 'node.id')
    .leftJoin('heartbeat as h', 'h.node', 'node.id')
    .select([
      'node.id',
      sql<string>`coalesce(n.fqdn, n.observed_name, node.id::text)`.as('name'),
      'node.state',
      'node.level',
      sql<boolean>`node.revoked_at is not null`.as('revoked'),
      sql<boolean>`node.hold or (select hold from fleet)`.as('held'),
      'node.reinstall',
      'node.installed',
      'node.install_progress as progress',
      'node.starts_disk as startsDisk',
      'n.site',
      'n.wanted',
      'n.observed',
      'node.rescue',
      'node.rescue_until',
      sql<boolean>`node.locked_at is not null`.as('locked'),
      'node.boot_once',
      'h.boot_id as bootId',
      newestKey.as('keyAt'),
      sql<Date>`clock_timestamp()`.as('at'),
    ])
    .where('node.state', '<>', 'retired')
    .orderBy('node.id');
}

type Row = Awaited<ReturnType<ReturnType<typeof bootNodes>['execute']>>[number];

/** @param mac the card that asks */
export function toBootNode(
  { wanted, observed, site: _, at: __, rescue, rescue_until, locked, boot_once, bootId, keyAt, ...row }: Row,
  mac: string,
): BootNode {
  return {
    ...row,
    addresses: addressesOfCard(wanted, observed, mac),
    // As joinRescue() judges it: a machine that would be let in nowhere must not boot for it again and again.
    rescue:
      rescue === null || rescue_until === null || locked
        ? null
        : { operator: rescue.operator, until: rescue_until.getTime() },
    once:
      boot_once === null
        ? null
        : {
            target: boot_once.target,
            until: Date.parse(boot_once.until),
            used: isUsed(boot_once, { bootId, keyAt }),
          },
  };
}

interface Network {
  interfaces?: Record<string, { mac?: string; addresses?: Record<string, unknown> }>;
}

/** Wanted addresses of the node's card with this MAC, CIDR. */
export function addressesOfCard(
  wanted: Record<string, unknown>,
  observed: Record<string, unknown>,
  mac: string,
): string[] {
  const cards = Object.entries((observed.network as Network | undefined)?.interfaces ?? {});
  const name = cards.find(([, card]) => card.mac === mac)?.[0];
  const interfaces = (wanted.network as Network | undefined)?.interfaces ?? {};
  return name === undefined ? [] : Object.keys(interfaces[name]?.addresses ?? {});
}
