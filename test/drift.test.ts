import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, expect, test, vi } from 'vitest';
import { runCheck } from '../machinedb/cli/check.ts';
import { exitCodeOf } from '../machinedb/cli/failure.ts';
import { runProfile } from '../machinedb/cli/profile.ts';
import { describe, type Terminal } from '../machinedb/cli/run.ts';
import { openDb } from '../machinedb/db.ts';
import { putNode, type TestNode } from '../machinedb/testing/nodes.ts';
import type { Client } from '../shared/client.ts';
import { startHarness } from './harness.ts';
import { machinedb } from './program.ts';

const harness = await startHarness();
const [daemon] = harness.daemons;
const db = openDb({ url: harness.databaseUrl, max: 3, statementTimeoutMs: 30_000, onError: () => {} });
const directory = mkdtempSync(join(tmpdir(), 'machinedb-drift-'));
afterAll(async () => {
  await db.destroy();
  await harness.close();
  rmSync(directory, { recursive: true });
});

let count = 0;
/** A node that reports and is heard of. */
async function node(of: TestNode): Promise<string> {
  const id = `00000000-0000-4000-8000-${String(++count).padStart(12, '0')}`;
  await put(id, of);
  await beat(id);
  return id;
}
const put = (id: string, { observed, wanted }: TestNode) =>
  putNode(db, id, { state: 'active', wanted, observed: { hostname: wanted?.hostname, ...observed } });
const beat = (id: string, ago = '0 s') =>
  sql`insert into heartbeat (node, at, lease_ms, boot_id, seq) values (${id}, now() - ${ago}::interval, 600000, 'b', 1)
    on conflict (node) do update set at = excluded.at`.execute(db);
const named = (hostname: string, role: string) => ({ hostname: { hostname }, role: { name: role } });
function file(name: string, text: string): string {
  writeFileSync(join(directory, name), text);
  return join(directory, name);
}
type Run = (client: () => Client, argv: string[], terminal: Terminal) => Promise<void>;
/** What a command of the program does, without a process of its own. */
async function run(command: Run, argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const ended = { code: 0, stdout: '', stderr: '' };
  const out = (text: string) => {
    ended.stdout += `${text}\n`;
  };
  try {
    await command(() => daemon.client, argv, { out, note: out, interactive: false, readInput: () => '' });
  } catch (error) {
    return { ...ended, code: exitCodeOf(error), stderr: `machinedb: ${describe(error)}\n` };
  }
  return ended;
}
const check = (text: string, ...more: string[]) => run(runCheck, [file('policy.yaml', text), ...more]);
const profile = (...argv: string[]) => run(runProfile, argv);
const path = join(directory, 'policy.yaml');

const gpu = { model: 'H100', link: { width: 16 } };
const dgx = {
  system: { manufacturer: 'N', product: 'DGX' },
  gpus: { a: gpu, b: gpu },
  firmware: { version: '2.19.1' },
};

test('a policy that holds, one that does not, and one that cannot be checked', async () => {
  const good = await node({ observed: dgx, wanted: named('good', 'gpu') });
  const bad = await node({
    observed: { ...dgx, gpus: { a: gpu, b: { model: 'H100', link: { width: 8 } } }, firmware: { version: '2.18' } },
    wanted: named('bad', 'gpu'),
  });
  const policy = `
policy:
  gpus:
    select: {role: gpu}
    nodes: {at_least: 2, at_most: 2}
    expect:
      health: ok
      findings: {at_most: 0}
      max_age: 10m
      facts:
        gpus: {parts: {h100: {count: 2, of: {model: H100}, each: {link.width: 16}}}}
        firmware: {facts: {version: {at_least: "2.19"}}}
`;
  expect(
    await check(
      policy.replace('role: gpu', 'role: gpu, model: N DGX').replace('16', '{at_most: 16}').replace('"2.19"', '"2.1"'),
    ),
  ).toEqual({
    code: 0,
    stdout: 'gpus holds for 2 nodes\n',
    stderr: '',
  });
  expect(await check(policy)).toEqual({
    code: 1,
    stdout: [
      'POLICY  NODE  WHAT                    MESSAGE',
      'gpus    bad   /gpus/h100/b/link.width  gpus b link.width is 8: expected 16',
      'gpus    bad   /firmware/version        firmware version is 2.18: expected {"at_least":"2.19"}',
      '',
    ]
      .join('\n')
      .replace('WHAT                    ', 'WHAT                     '),
    stderr: 'machinedb: 2 violations of 1 assertion, by 1 node\n',
  });
  const json = await check(policy, '--json');
  expect([json.code, JSON.parse(json.stdout)]).toEqual([
    1,
    {
      holds: false,
      nodes: { gpus: 2 },
      violations: [
        {
          policy: 'gpus',
          node: bad,
          name: 'bad',
          what: '/gpus/h100/b/link.width',
          expected: 16,
          got: 8,
          message: 'gpus b link.width is 8: expected 16',
        },
        expect.objectContaining({ node: bad, what: '/firmware/version', expected: { at_least: '2.19' }, got: '2.18' }),
      ],
    },
  ]);

  // Facts that are old, or lack, never pass.
  await beat(good, '11 m');
  const stale = JSON.parse((await check(policy, '--json')).stdout) as { violations: { name: string; what: string }[] };
  expect(stale.violations.filter(({ name }) => name === 'good').map(({ what }) => what)).toEqual(['facts', 'max_age']);
  const only = 'policy:\n  tpm:\n    select: {role: gpu}\n    expect: {facts: {tpm: {facts: {version: "2.0"}}}}\n';
  await beat(good);
  expect((await check(only)).stdout).toContain('tpm     good  /tpm  tpm has not been reported, so nobody knows');

  // What was then: before the BIOS was too old, and before the node was there.
  const before = new Date().toISOString();
  await put(good, {
    observed: { ...dgx, firmware: { version: '2.10' } },
    wanted: named('good', 'gpu'),
  });
  const bios =
    'policy: {bios: {select: {model: N DGX}, expect: {facts: {firmware: {facts: {version: {one_of: ["2.19.1", "2.18"]}}}}}}}';
  expect((await check(bios)).code).toBe(1);
  expect((await check(bios, '--as-of', before)).stdout).toBe('bios holds for 2 nodes\n');
  expect(await check(bios, '--as-of', '2020-01-01T00:00:00Z')).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('nodes  0 nodes are selected: expected at least 1'),
  });
});

test.each([
  [
    'an unknown key',
    'policy:\n  a:\n    selekt: {role: gpu}\n    expect: {health: ok}\n',
    `machinedb: ${path}:3: policy.a.selekt: there is no such key here: take it away, or see --help\n`,
  ],
  [
    'a fact that nobody reports',
    'policy:\n  a:\n    expect:\n      facts:\n        firmware: {facts: {verzion: "1"}}\n',
    `machinedb: ${path}:5: policy.a.expect.facts.firmware.facts.verzion: no agent reports verzion: look at a node with machinedb observed\n`,
  ],
  [
    'no YAML',
    'policy: [',
    `machinedb: ${path}:1: Flow sequence in block collection must be sufficiently indented and end with a ]\n`,
  ],
  [
    'nothing expected',
    'policy: {a: {expect: {}}}',
    `machinedb: ${path}:1: policy.a.expect: nothing is expected: name health, findings, max_age or facts\n`,
  ],
])('%s is no verdict: exit code 2, with the line', async (_, text, stderr) => {
  expect(await check(text)).toEqual({ code: 2, stdout: '', stderr });
});

test('no file, no service, and what is kept in no history are no verdict either', async () => {
  const old = 'policy: {a: {expect: {max_age: 1h}}}';
  expect(await check(old, '--as-of', '2026-01-01T00:00:00Z')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(
      'a: max_age cannot be checked as of a time: heartbeats are kept in no history; leave it out',
    ),
  });
  expect(await check(old, '--as-of', 'yesterday')).toMatchObject({ code: 2 });
  expect(await run(runCheck, ['/nope.yaml'])).toMatchObject({ code: 2 });
  const away = { ...daemon, url: 'https://127.0.0.1:1' };
  expect(await machinedb(away, ['check', file('p.yaml', old)])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('cannot be reached'),
  });
});

test('the program ends with 0 when a policy holds, and with 1 when it does not', async () => {
  await node({ observed: { ...dgx, system: { product: 'E1' } }, wanted: named('e1', 'x') });
  const policy = (count: number) =>
    file(
      `p${count}.yaml`,
      `policy: {a: {select: {model: E1}, expect: {facts: {gpus: {parts: {all: {count: ${count}}}}}}}}`,
    );
  expect([
    (await machinedb(daemon, ['check', policy(2)])).code,
    (await machinedb(daemon, ['check', policy(3)])).code,
  ]).toEqual([0, 1]);
});

test('a profile from a node is a file that makes a profile, and shows who meets it', async () => {
  const id = await node({ observed: { ...dgx, system: { product: 'X1' } }, wanted: named('x1', 'x') });
  const made = await profile('from', id);
  expect(made.stdout).toContain('model: X1\nexpect:\n');
  const yaml = file('profile.yaml', made.stdout.replace('count: 2', 'count: 3'));
  expect(await profile('put', 'x1', '--file', yaml)).toEqual({
    code: 0,
    stdout: 'PROFILE  NODES  MEETS  DIFFERS  UNKNOWN\nx1       1      0      1        0\n',
    stderr: '',
  });
  expect((await machinedb(daemon, ['profile', 'nodes', 'x1'])).stdout).toMatch(
    /^NAME +VERDICT +FINDINGS.*\nx1 +differs +1 /,
  );
  const findings = await harness.call('listFindings', { query: { section: 'profile' } });
  expect(findings.items.map(({ message }) => message)).toEqual(['2 gpus among gpus: expected 3 (profile x1)']);
  expect((await profile('put', 'x1', '--file', file('p.yaml', 'modle: x'))).code).toBe(2);
});

test('the odd one out is found without any rule', async () => {
  for (let i = 0; i < 6; i++)
    await node({
      observed: { system: { product: 'Twin', serial: `T${i}` }, firmware: { version: i === 3 ? '1.0' : '1.1' } },
      wanted: named(`t${i}`, 'twin'),
    });
  const [odd] = await vi.waitFor(
    async () => {
      const { items } = await harness.call('listSiblings', { query: { name: 'Twin' } });
      expect(items).toMatchObject([{ of: 6 }]);
      return items;
    },
    { interval: 200, timeout: 20_000 },
  );
  expect(odd).toMatchObject({ path: 'firmware.version', majority: '1.1', of: 6, value: '1.0', names: ['t3'] });
  expect((await machinedb(daemon, ['siblings', '--name', 'Twin'])).stdout).toBe(
    'NAME  PATH              MAJORITY  MAJORITY_COUNT  OF  VALUE  COUNT  NAMES\nTwin  firmware.version  1.1       5               6   1.0    1      t3\n',
  );
});
