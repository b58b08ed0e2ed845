import type { z } from 'zod';
import type { IntentSection } from '../../shared/api/intent.ts';
import { escapePointer } from '../../shared/explain.ts';
import { isMembers } from '../../shared/merge.ts';
import { sections } from '../../shared/sections/index.ts';
import type { Reader } from '../db.ts';
import { Problem } from '../http/problem.ts';

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
  // A null removes a key of a wider layer (RFC 7396), whatever the key's type.
  const parsed = schema.safeParse(withoutNulls(data));
  if (!parsed.success) {
    const errors = parsed.error.issues.slice(0, 50).map(({ path, message }) => ({
      detail: message,
      pointer: path.map((key) => `/${escapePointer(String(key))}`).join(''),
    }));
    throw new Problem('invalid', `${section}${errors[0]!.pointer}: ${errors[0]!.detail}`, { errors });
  }
  await checkReferences(tx, section, parsed.data);
}

function withoutNulls(value: unknown): unknown {
  if (!isMembers(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== null)
      .map(([key, member]) => [key, withoutNulls(member)]),
  );
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
  if (section !== 'network') return;
  const { interfaces = {} } = data as {
    interfaces?: Record<string, { addresses?: Record<string, { network: string }> }>;
  };
  const networks = Object.values(interfaces).flatMap(({ addresses = {} }) =>
    Object.values(addresses).map(({ network }) => network),
  );
  for (const network of new Set(networks)) await mustExist(tx, 'network', network);
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
