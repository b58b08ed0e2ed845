import { expect, test } from 'vitest';
import type { api } from '../../shared/api.ts';
import type { Client } from '../../shared/client.ts';
import { commands } from './commands.ts';
import { runCommand, type Terminal } from './run.ts';

const bios = { by: 'model', name: 'R750', path: 'firmware.version', majority: '2.19.1', majority_count: 31, of: 32 };
const replies: Record<string, unknown> = {
  listFindings: {
    items: [
      { id: 1, name: 'n1', message: 'm', acknowledged: { by: 'ada', until: '2026-12-01T00:00:00Z', reason: 'parts' } },
      { id: 2, name: 'n2', message: 'm', acknowledged: { by: 'bob', reason: 'parts' } },
    ],
  },
  getNodeFindings: { items: [] },
  getNode: { name: 'n1' },
  listSites: { items: [] },
  listSiblings: {
    items: [{ ...bios, value: '2.18.0', count: 1, nodes: ['a'], names: ['n1'] }],
    more: false,
  },
};

async function shown(words: string, ...argv: string[]) {
  const [out, notes, asked]: [string[], string[], unknown[]] = [[], [], []];
  const terminal = { out: (text: string) => out.push(text), note: (text: string) => notes.push(text) };
  const client = {
    call: async (operation: keyof typeof api, call: unknown) => {
      if (operation === 'listSiblings') asked.push(call);
      return replies[operation];
    },
  };
  const command = commands.find((each) => each.words === words)!;
  await runCommand(() => client as unknown as Client, command, argv, terminal as unknown as Terminal);
  return { out: out.join('\n'), notes, asked };
}

test('who looks at findings is told of the odd ones out, and what of them was acknowledged', async () => {
  const { out, notes, asked } = await shown('findings');
  expect(out.split('\n').map((line) => line.split(/ {2,}/).slice(-2))).toEqual([
    ['FIRST_SEEN', 'ACKNOWLEDGED'],
    ['m', 'by ada until 2026-12-01T00:00:00Z'],
    ['m', 'by bob'],
  ]);
  expect(notes).toEqual(['1 node is unlike others of the same model, which no rule forbids: machinedb siblings']);
  expect(asked).toEqual([{ query: {} }]);
});

test.each(['node-findings', 'show'])('%s tells in what the node is unlike its siblings', async (words) => {
  expect(await shown(words, 'n1')).toMatchObject({
    notes: ['unlike its siblings, no rule: firmware.version is 2.18.0, where 31 of 32 R750 have 2.19.1'],
    asked: [{ query: { node: 'n1' } }],
  });
});

test('nothing of them is said of the past, of a part of the findings, or to programs', async () => {
  expect((await shown('findings', '--as-of', '2026-11-01T00:00:00Z')).asked).toEqual([]);
  expect((await shown('findings', '--section', 'network')).asked).toEqual([]);
  expect((await shown('show', 'n1', '--json')).asked).toEqual([]);
  expect((await shown('site list')).asked).toEqual([]);
});
