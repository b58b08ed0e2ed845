import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Row } from '../../shared/api/row.ts';
import { api, type Operation } from '../../shared/api.ts';
import type { Client } from '../../shared/client.ts';
import { withIntents } from '../testing/intents.ts';
import { runBulk } from './bulk.ts';
import { runCabling } from './cabling.ts';
import type { Failure } from './failure.ts';
import { readMove, runMove } from './move.ts';
import { runProfile } from './profile.ts';
import type { Terminal } from './run.ts';

// The commands that write many rows at once, from a file or from the command line.
const { ask, node, now } = await withIntents();
/** As over HTTP: a query is text, and the API's schemas read what comes. */
const keys: (string | undefined)[] = [];
const client = {
  call: async (
    operation: Operation,
    { query = {}, body, ...rest }: { query?: object; body?: unknown },
    { idempotencyKey }: { idempotencyKey?: string } = {},
  ) => {
    keys.push(idempotencyKey);
    const row = api[operation] as Row;
    const text = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, `${value}`]]));
    return await ask(operation as never, {
      ...rest,
      query: row.query?.parse(Object.fromEntries(text)),
      body: row.body?.parse(JSON.parse(JSON.stringify(body))),
    });
  },
} as unknown as Client;
const directory = mkdtempSync(join(tmpdir(), 'machinedb-files-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** What a command prints, notes and fails with; nobody can be asked. */
async function run(
  command: (connect: () => Client, argv: string[], terminal: Terminal) => Promise<void>,
  argv: string[],
  input = '',
) {
  const [out, notes]: string[][] = [[], []];
  const terminal: Terminal = {
    out: (text) => void out!.push(text),
    note: (text) => void notes!.push(text),
    interactive: false,
    readInput: () => input,
  };
  const failure = await command(() => client, argv, terminal).then(
    () => undefined,
    ({ message, exitCode }: Failure) => ({ message, exitCode }),
  );
  return { out: out!.join('\n'), notes: notes!.join('\n'), failure };
}
const done = (out: string, notes = '') => ({ out, notes, failure: undefined });
const failed = (message: unknown, exitCode = 1) => ({ out: '', notes: '', failure: { message, exitCode } });
const usage = (of: string) => failed(expect.stringMatching(new RegExp(`^usage: machinedb ${of}`)), 2);
function file(name: string, content: unknown): string {
  const path = join(directory, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

let [a, b]: string[] = [];
beforeAll(async () => {
  [a, b] = [await node(), await node()].sort();
  await ask('assignNode', { params: { node: a! }, body: { site: 'ber', rack: 'r1', fqdn: 'a', reason: 'test' } });
});

test('cables and ports come one by one, from a file, or from standard input; a dry run stores none', async () => {
  const cables = async () => (await ask('listCables', { query: {} })).items.map(({ nic, port }) => `${nic} ${port}`);
  const cable = (port: number) => ({ node: 'a', nic: `eth${port}`, switch: 'sw1', port: `p${port}` });
  expect(await run(runCabling, ['cable', 'put', 'a', 'eth1', 'sw1', 'p1', '--dry-run'])).toEqual(
    done('1 would be stored'),
  );
  expect(await cables()).toEqual([]);
  expect(await run(runCabling, ['cable', 'put', 'a', 'eth1', 'sw1', 'p1'])).toEqual(done('1 stored'));
  expect(await run(runCabling, ['cable', 'import', '-'], JSON.stringify([cable(2), cable(3)]))).toEqual(
    done('2 stored'),
  );
  expect(await run(runCabling, ['cable', 'import', file('items', { items: [cable(4)] })])).toEqual(done('1 stored'));
  expect(await cables()).toEqual(['eth1 p1', 'eth2 p2', 'eth3 p3', 'eth4 p4']);
  const place = { switch: 'sw1', port: 'p1', site: 'ber', rack: 'r1', unit: 1 };
  expect(await run(runCabling, ['port-place', 'import', file('places', [place])])).toEqual(done('1 stored'));
  expect((await ask('listPortPlaces', { query: {} })).items).toHaveLength(1);
  expect(await run(runCabling, ['cable', 'put', 'a', 'eth1', 'sw1'])).toEqual(usage('cable put'));
  expect(await run(runCabling, ['cable', 'import'])).toEqual(usage('cable put'));
  expect((await run(runCabling, ['cable', 'import', '--help'])).out).toMatch(/^usage: machinedb cable put/);
  expect(await run(runCabling, ['cable', 'import', '/nowhere'])).toEqual(
    failed("/nowhere cannot be read: ENOENT: no such file or directory, open '/nowhere'"),
  );
  expect(await run(runCabling, ['cable', 'import', '-'], '{')).toEqual(
    failed(expect.stringMatching(/^- is not JSON: /)),
  );
});

test.each([
  ['n1=5', { node: 'n1', unit: 5 }],
  ['n1=r1:5', { node: 'n1', rack: 'r1', unit: 5 }],
  ['n1=ber/r1:5', { node: 'n1', site: 'ber', rack: 'r1', unit: 5 }],
])('%s is a move', (text, move) => {
  expect(readMove(text)).toEqual(move);
});

test('moves are previewed, and need a reason and either nodes or a file', async () => {
  expect(await run(runMove, ['a=4'])).toEqual(failed('move needs --reason', 2));
  expect(await run(runMove, ['--reason', 'x'])).toEqual(usage('move NODE'));
  expect(await run(runMove, ['a=4', '--file', '-', '--reason', 'x'], '[]')).toEqual(usage('move NODE'));
  expect(await run(runMove, ['a:4', '--reason', 'x'])).toEqual(failed('"a:4" is not NODE=[[SITE/]RACK:]UNIT', 2));
  expect((await run(runMove, ['--help'])).out).toMatch(/^usage: machinedb move NODE/);
  const preview = 'a\n  /placement/unit: (none) -> 4\n1 node would change';
  expect(await run(runMove, ['a=4', '--reason', 'x'])).toEqual({
    ...failed('nothing was changed: this is not a terminal, so add --yes to apply it, or --dry-run to only look', 2),
    notes: preview,
  });
  expect(await run(runMove, ['a=4', '--reason', 'x', '--dry-run'])).toEqual(done(preview));
  expect((await now(a!)).unit).toBeNull();
  expect(await run(runMove, ['--file', file('moves', [{ node: 'a', unit: 3 }]), '--reason', 'x', '-y'])).toEqual(
    done('a\n  /placement/unit: (none) -> 3\n1 node changed'),
  );
  expect((await now(a!)).unit).toBe(3);
});

test('a write has a key, so that it can be sent again when its reply was lost; what only looks has none', async () => {
  const key = expect.stringMatching(/^[0-9a-f-]{36}$/);
  const items = '[{"node":"a","tags":["k"]}]';
  keys.splice(0);
  await run(runCabling, ['cable', 'put', 'a', 'eth9', 'sw9', 'p9', '--dry-run']);
  await run(runCabling, ['cable', 'put', 'a', 'eth9', 'sw9', 'p9']);
  await ask('deleteCable', { query: { node: 'a', nic: 'eth9' } });
  await run(runMove, ['a=2', '--reason', 'x', '--dry-run']);
  await run(runMove, ['a=3', '--reason', 'x', '-y']);
  await run(runBulk, ['-', '--reason', 'x', '--dry-run'], items);
  await run(runBulk, ['-', '--reason', 'x', '-y'], items);
  expect(keys).toEqual([undefined, key, undefined, key, undefined, key]);
  await ask('putNodeIntent', { params: { node: a, section: 'tags' }, query: {}, body: {} }, { 'if-match': '*' });
});

test('bulk shows what would change before it asks, and fails when a node could not be written', async () => {
  const items = file('bulk', [
    { node: a, tags: ['x'] },
    { node: b, role: 'none' },
  ]);
  const good = file('good', [{ node: a, tags: ['x'] }]);
  const would = 'a\n  /tags: (none) -> {"x":true}\n1 node would change\n1 done, 0 unchanged, 0 failed';
  expect(await run(runBulk, [good, '--reason', 'r', '--dry-run'])).toEqual(done(would));
  expect(await run(runBulk, [good, '--reason', 'r'])).toEqual({
    ...failed('nothing was changed: this is not a terminal, so add --yes to apply it, or --dry-run to only look', 2),
    notes: would,
  });
  expect((await now(a!)).tags).toEqual([]);
  const each = await run(runBulk, [items, '--reason', 'r', '--each', '-y']);
  expect(each.failure).toEqual({ message: '1 of 2 nodes were not written', exitCode: 1 });
  expect(each.out.split('\n')).toEqual([
    'a',
    '  /tags: (none) -> {"x":true}',
    '1 node changed',
    '1 done, 0 unchanged, 1 failed',
    '',
    expect.stringMatching(/^ITEM {2}NODE +PROBLEM$/),
    expect.stringMatching(new RegExp(`^1 {5}${b} {2}there is no role "none"`)),
  ]);
  expect((await now(a!)).tags).toEqual(['x']);
  const again = await run(runBulk, ['-', '--reason', 'r', '-y', '--json'], JSON.stringify([{ node: a, tags: ['x'] }]));
  expect(JSON.parse(again.out)).toMatchObject({ applied: true, unchanged: 1 });
  const guarded = await run(
    runBulk,
    ['-', '--reason', 'r', '-y', '--max-affected', '0'],
    JSON.stringify([{ node: a, tags: ['y'] }]),
  );
  expect(guarded.failure?.message).toContain('max_affected');
  expect(await run(runBulk, [good])).toEqual(usage('bulk FILE'));
  expect(await run(runBulk, [good, 'more', '--reason', 'r'])).toEqual(usage('bulk FILE'));
  expect((await run(runBulk, ['--help'])).out).toMatch(/^usage: machinedb bulk FILE/);
  expect(await run(runBulk, ['-', '--reason', 'r'], 'no')).toEqual(
    failed(expect.stringMatching(/^- is not JSON: /), 2),
  );
});

test('a profile is put from YAML, tried by a dry run, and made from a node', async () => {
  const yaml = 'model: NVIDIA DGX\nexpect:\n  gpus: {parts: {all: {count: 1}}}\n';
  const table = (name: string) =>
    done(`PROFILE  NODES  MEETS  DIFFERS  UNKNOWN\n${name}      1      0      1        0`);
  const dgx = await node({
    system: { manufacturer: 'NVIDIA', product: 'DGX' },
    gpus: { x: { model: 'H100' }, y: { model: 'H100' } },
  });
  expect(await run(runProfile, ['put', 'dgx', '-f', '-', '--dry-run'], yaml)).toEqual(table('dgx'));
  expect((await ask('listProfiles', { query: {} })).items).toEqual([]);
  expect(await run(runProfile, ['put', 'dgx', '--file', file('p.yaml', yaml)])).toEqual(table('dgx'));
  expect(JSON.parse((await run(runProfile, ['put', 'dgx', '-f', '-', '--json'], yaml)).out)).toMatchObject({
    name: 'dgx',
    compliance: { differs: 1 },
  });
  expect(await run(runProfile, ['from', dgx])).toEqual(
    done(`model: NVIDIA DGX
expect:
  system:
    facts:
      manufacturer: NVIDIA
      product: DGX
  gpus:
    parts:
      gpus:
        count: 2
        of:
          model: H100`),
  );
  expect(JSON.parse((await run(runProfile, ['from', dgx, '--json'])).out)).toMatchObject({ model: 'NVIDIA DGX' });
  expect(await run(runProfile, ['put', 'dgx'])).toEqual(
    failed('profile put needs --file FILE (- for standard input)', 2),
  );
  expect(await run(runProfile, ['put', 'dgx', '-f', '-'], 'model: M\nexpect: 1\n')).toEqual(
    failed(expect.stringMatching(/^standard input:2: expect: /), 2),
  );
  expect(await run(runProfile, ['put'])).toEqual(usage('profile put'));
  expect(await run(runProfile, ['from', 'a', 'b'])).toEqual(usage('profile put'));
  expect((await run(runProfile, ['from', '--help'])).out).toMatch(/^usage: machinedb profile put/);
});
