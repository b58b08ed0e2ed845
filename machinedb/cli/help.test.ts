import { expect, test } from 'vitest';
import { api } from '../../shared/api.ts';
import { runEvents } from './events.ts';
import { flagsOf } from './flags.ts';
import { nounHelp, unknownCommand } from './help.ts';
import { runIntent } from './intent.ts';
import { runInventory } from './inventory.ts';
import { runQuarantineShow } from './quarantine.ts';
import { runRollout } from './rollout.ts';
import type { Terminal } from './run.ts';

const nobody = () => {
  throw new Error('help asks nobody');
};

test.each([
  ['events', (argv: string[], terminal: Terminal) => runEvents(nobody, nobody, argv, terminal)],
  ['intent', (argv: string[], terminal: Terminal) => runIntent(nobody, ['explain', ...argv], terminal)],
  ['inventory', (argv: string[], terminal: Terminal) => runInventory(nobody, argv, terminal)],
  ['rollout show', (argv: string[], terminal: Terminal) => runRollout(nobody, argv, terminal)],
  ['quarantine show', (argv: string[], terminal: Terminal) => runQuarantineShow(nobody, argv, terminal)],
])('machinedb %s --help tells its usage, without a service', async (words, run) => {
  const said: string[] = [];
  const terminal = { out: (text: string) => said.push(text), note: nobody, interactive: false, readInput: nobody };
  await run(['--help'], terminal as unknown as Terminal);
  expect(said).toEqual([expect.stringMatching(`^usage: machinedb ${words} `)]);
});

test('a noun with --help tells its commands; a command by that name, its own', () => {
  expect(nounHelp(['room', '--help'])).toBe(`usage: machinedb room ...; with --help each tells its flags

  room list    List rooms and the rows in them
  room put     Make or change a room
  room delete  Delete a room without racks`);
  expect(nounHelp(['port-place', '-h'])).toContain('port-place import FILE');
  for (const own of [
    ['findings', '--help'],
    ['pxe', '--help'],
    ['room'],
    ['room', 'put', '--help'],
    ['nope', '--help'],
  ])
    expect(nounHelp(own)).toBeUndefined();
});

test('what is meant may be any command', () => {
  expect(unknownCommand('port-place', 'put')).toBe(
    'there is no command "port-place put": did you mean port-place list, port-place delete, port-place import? machinedb --help lists them',
  );
});

test('a flag that takes some words only says which', () => {
  expect(flagsOf(api.listNodes).get('health')!.about).toBe('ok, drifted, unreachable, unknown');
  expect(flagsOf(api.putDevice).get('face')!.about).toBe(
    'Side of the rack it takes ("both" when absent): front, rear, both',
  );
});
