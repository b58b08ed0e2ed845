import { expect, test } from 'vitest';
import type { Client } from '../../shared/client.ts';
import { commands } from '../cli/commands.ts';
import { runCommand } from '../cli/run.ts';
import { withIntents } from '../testing/intents.ts';
import { createMetrics } from './metrics.ts';

const { db, ask, node } = await withIntents();
await ask('putSite', { params: { site: 'oslo' }, body: { description: 'north' } });
const since = '2026-11-22T10:00:00.000Z';
const fallSilent = (nodes: string[]) => db.insertInto('site_outage').values({ site: 'ber', since, nodes }).execute();

/** What a command prints, and what it notes beside. */
async function shown(words: string, ...argv: string[]) {
  const [out, notes]: [string[], string[]] = [[], []];
  const terminal = {
    ...{ out: (text: string) => void out.push(text), note: (text: string) => void notes.push(text) },
    ...{ interactive: false, readInput: () => '' },
  };
  const client = { call: (operation: 'listSites', call: object) => ask(operation, { query: {}, ...call }) };
  const command = commands.find((each) => each.words === words)!;
  await runCommand(() => client as unknown as Client, command, argv, terminal);
  return { out: out.join('\n'), notes };
}

test('a silent site is named first where people look for trouble, and is no finding of its nodes', async () => {
  const ids = [await node(), await node()];
  expect(await ask('summarizeFindings', { query: {} })).toEqual({ items: [] });
  expect((await shown('findings')).notes).toEqual([]);
  await fallSilent(ids);
  const sites_unreachable = [{ site: 'ber', since, nodes: 2 }];
  expect(await ask('summarizeFindings', { query: {} })).toEqual({ items: [], sites_unreachable });
  expect(await ask('listFindings', { query: { site: 'ber' } })).toEqual({ items: [], sites_unreachable });
  expect(await ask('listFindings', { query: { site: 'oslo' } })).toEqual({ items: [] });
  const told = `site ber is silent since ${since}, 2 nodes at once: look at its network, and at ours, first`;
  expect((await shown('findings')).notes).toEqual([told]);
  expect((await shown('findings summary')).notes).toEqual([told]);
  expect((await shown('findings', '--json')).notes).toEqual([]);
  expect(await shown('site list')).toEqual({ out: 'NAME  DESCRIPTION\nber\noslo  north', notes: [told] });
});

test('each site has a metric, also while it is heard', async () => {
  const metrics = createMetrics();
  const text = await metrics.render(db);
  metrics.close();
  expect(text).toContain('machinedb_sites_unreachable 1\n');
  expect(text).toContain('machinedb_site_silent{site="ber"} 1\nmachinedb_site_silent{site="oslo"} 0\n');
});
