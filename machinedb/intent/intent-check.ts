import type { z } from 'zod';
import type { IntentSection } from '../../shared/api/intent.ts';
import { escapePointer } from '../../shared/explain.ts';
import { isInside } from '../../shared/ip.ts';
import { settled } from '../../shared/merge.ts';
import { type Contradiction, contradictions } from '../../shared/network-contradictions.ts';
import { type Demand, demands } from '../../shared/resolve.ts';
import type { CloudInitIntended } from '../../shared/sections/cloud-init.ts';
import { sections } from '../../shared/sections/index.ts';
import type { NetworkIntended } from '../../shared/sections/network.ts';
import type { Reader } from '../db.ts';
import { Problem } from '../http/problem.ts';
import { demandPath } from '../places/asked.ts';
import { readNetworks } from '../places/nearest.ts';
import { USER_SECRET } from '../trust/secrets.ts';

/** Sections that no wider layer has. */
export const nodeOnly = new Set<IntentSection>(['placement', 'role']);

/**
 * Throws when an intent is not one of its section, or names what is not there. `data` null: the section goes away.
 */
export async function checkIntent(
  tx: Reader,
  { subject, section, data }: { subject: string; section: IntentSection; data: unknown },
): Promise<void> {
  if (nodeOnly.has(section) && !subject.startsWith('node/')) {
    throw new Problem('invalid', `${section} belongs to single nodes: set it on a node, not on ${subject}`);
  }
  await checkSubject(tx, subject);
  if (data === null) return;
  const schema = (sections[section] as { intended: z.ZodType }).intended;
  // What it says to wider layers is no part of the section: a null removes a key, whatever the key's type.
  const parsed = schema.safeParse(settled(data));
  if (!parsed.success) {
    const errors = parsed.error.issues.slice(0, 50).map(({ path, message }) => ({
      detail: message,
      pointer: path.map((key) => `/${escapePointer(String(key))}`).join(''),
    }));
    throw new Problem('invalid', `${section}${errors[0]!.pointer}: ${errors[0]!.detail}`, { errors });
  }
  if (section === 'network') {
    // What it refers to may be in another layer: the merged intents of its nodes are judged by project().
    const [first, ...more] = contradictions(parsed.data as NetworkIntended, false);
    if (first !== undefined) throw contradiction([first, ...more], '');
  }
  await checkReferences(tx, section, parsed.data);
}

/** The refusal of a network intent that contradicts itself. */
export function contradiction(all: [Contradiction, ...Contradiction[]], whose: string): Problem {
  const errors = all.slice(0, 50).map(({ path, message }) => ({ detail: message, pointer: path }));
  return new Problem('invalid', `${whose}network${all[0].path}: ${all[0].message}`, { errors });
}

const tables = { site: 'site', role: 'role' } as const;

async function checkSubject(tx: Reader, subject: string): Promise<void> {
  const [kind, name = ''] = subject.split('/');
  if (kind === 'fleet' || kind === 'node') return;
  if (kind === 'rack') {
    const [site = '', rack = ''] = name.split(':');
    return await mustExist(tx, 'rack', rack, site);
  }
  await mustExist(tx, tables[kind as keyof typeof tables], name);
}

/** A misspelt name is an error here, not a new thing. */
async function checkReferences(tx: Reader, section: IntentSection, data: unknown): Promise<void> {
  if (section === 'role') return await mustExist(tx, 'role', (data as { name: string }).name);
  if (section === 'placement') {
    const { site, rack } = data as { site: string; rack?: string };
    await mustExist(tx, 'site', site);
    if (rack !== undefined) await mustExist(tx, 'rack', rack, site);
  }
  if (section === 'cloud_init') return await checkSecrets(tx, (data as CloudInitIntended).secrets ?? {});
  if (section !== 'network') return;
  await checkAddresses(tx, data as NetworkIntended);
}

async function checkSecrets(tx: Reader, secrets: NonNullable<CloudInitIntended['secrets']>): Promise<void> {
  for (const { secret } of Object.values(secrets)) {
    const there = await tx
      .selectFrom('secret')
      .select('name')
      .where('name', '=', USER_SECRET + secret)
      .executeTakeFirst();
    if (there === undefined)
      throw new Problem(
        'invalid',
        `there is no secret "${secret}": machinedb secret put ${secret} --file FILE makes it`,
      );
  }
}

const refused = (demand: Demand, message: string) => contradiction([{ path: demandPath(demand), message }], '');

/** Throws when an address is of no network of its name, or asked for twice. */
async function checkAddresses(tx: Reader, network: NetworkIntended): Promise<void> {
  const asked = demands({ network });
  for (const name of new Set(asked.map((demand) => demand.network))) await mustExist(tx, 'network', name);
  const rows = Object.values(asked.length === 0 ? {} : await readNetworks(tx));
  for (const demand of asked.filter(({ address }) => address !== undefined)) {
    const ranges = rows.filter(({ name }) => name === demand.network).map(({ cidr }) => cidr);
    if (!ranges.some((cidr) => isInside(demand.address!, cidr)))
      throw refused(demand, `address ${demand.address} is not in network ${demand.network} (${ranges.join(', ')})`);
    const first = asked.find(({ address }) => address === demand.address)!;
    if (first !== demand)
      throw refused(
        demand,
        `address ${demand.address} is asked for by ${demandPath(first)}, too: it goes to one interface once`,
      );
  }
}

async function mustExist(
  tx: Reader,
  table: 'site' | 'role' | 'rack' | 'network',
  name: string,
  site?: string,
): Promise<void> {
  let query = tx.selectFrom(table).select('name').where('name', '=', name);
  if (site !== undefined) query = query.where('site' as never, '=', site as never);
  if ((await query.executeTakeFirst()) !== undefined) return;
  const where = site === undefined ? '' : ` in site "${site}"`;
  const make = table === 'rack' ? `machinedb rack put ${site} ${name} --height 42` : `machinedb ${table} put ${name}`;
  throw new Problem(
    'invalid',
    `there is no ${table} "${name}"${where}: machinedb ${table} list shows them, ${make} makes it`,
  );
}
