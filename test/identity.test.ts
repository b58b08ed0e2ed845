import { createHash } from 'node:crypto';
import pg from 'pg';
import { afterAll, expect, test } from 'vitest';
import { type ClaimedHardware, type Identity, makeClaim, newIdentity } from '../agent/client/identity.ts';
import { otherByteOrder } from '../machinedb/enrol/match.ts';
import { ApiError } from '../shared/client.ts';
import { startHarness } from './harness.ts';
import { type Parts, type Story, stories } from './identity-stories.ts';
import { machinedb } from './program.ts';
import { simulateNode } from './simulated-node.ts';

const harness = await startHarness({ environment: { MACHINEDB_PENDING_PER_SOURCE: '1000' } });
const { call } = harness;
afterAll(() => harness.close());

/** What the tokens of a story mean: the same token of another story is another number. */
function hardwareOf(story: string, parts: Parts, nodes: Record<string, string>): ClaimedHardware {
  const hash = (token: string) => createHash('sha256').update(`${story} ${token}`).digest('hex');
  const meaning = (token: string): string => {
    if (!/^[USBCMD]\d+~?$/.test(token)) return token;
    const hex = hash(token.replace('~', ''));
    if (token.startsWith('M')) return `b0:7b:${hex.slice(0, 8).match(/../g)!.join(':')}`;
    if (token.startsWith('D')) return `M393A4K40DB3 ${hex.slice(0, 8)}`;
    if (!token.startsWith('U')) return hex.slice(0, 10).toUpperCase();
    const uuid = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
    return token.endsWith('~') ? otherByteOrder(uuid) : uuid;
  };
  const list = (tokens: string | undefined) => tokens?.split(' ').map(meaning);
  const one = (token: string | undefined) => (token === undefined ? undefined : meaning(token));
  const { disk } = parts;
  return {
    uuid: one(parts.uuid),
    serial: one(parts.serial),
    board_serial: one(parts.board),
    chassis_serial: one(parts.chassis),
    vendor: parts.vendor,
    macs: list(parts.macs),
    dimms: list(parts.dimms),
    disk: disk === undefined ? undefined : (nodes[disk] ?? disk),
  };
}

async function enrol(identity: Identity, hardware: ClaimedHardware, previous?: { node: string; identity: Identity }) {
  const { nonce } = await call('getNonce', {});
  const claim = { nonce, hardware, bootId: 'boot', ...(previous === undefined ? {} : { previous }) };
  return await call('enrol', { body: makeClaim(identity, claim) });
}

/** Enrols what a story knows; answers its nodes and keys by their letters. */
async function prepare({ name, known }: Pick<Required<Story>, 'name' | 'known'>) {
  const nodes: Record<string, string> = {};
  const keys: Record<string, Identity> = {};
  for (const [letter, { is = 'approved', ...parts }] of Object.entries(known)) {
    const identity = newIdentity();
    const { node, fingerprint } = await enrol(identity, hardwareOf(name, parts, nodes));
    nodes[letter] = node;
    keys[letter] = identity;
    if (is === 'claimed') continue;
    await call('approveNode', { params: { node }, body: { fingerprint, reason: 'console' } });
    if (is === 'revoked') await call('revokeNode', { params: { node }, body: { reason: 'stolen' } });
    if (is === 'retired') await call('setNodeState', { params: { node }, body: { state: 'retired', reason: 'old' } });
  }
  expect(new Set(Object.values(nodes)).size).toBe(Object.keys(known).length);
  return { nodes, keys };
}

async function outcomeOf(story: Required<Story>): Promise<string> {
  const { nodes, keys } = await prepare(story);
  const letterOf = (id: string) => Object.keys(nodes).find((letter) => nodes[letter] === id) ?? 'a stranger';
  const { key, previous, names, ...parts } = story.comes;
  const vouching = previous === undefined ? undefined : { node: nodes[names ?? previous]!, identity: keys[previous]! };
  let node: string;
  try {
    const identity = key === undefined ? newIdentity() : keys[key]!;
    ({ node } = await enrol(identity, hardwareOf(story.name, parts, nodes), vouching));
  } catch (error) {
    if (error instanceof ApiError) return `refused ${error.code}`;
    throw error;
  }
  const { locked } = await call('getNode', { params: { node } });
  if (Object.values(nodes).includes(node)) return `${locked === undefined ? 'same' : 'locked'} ${letterOf(node)}`;
  const { items } = await call('getQuarantine', { params: { node } });
  if (items[0] === undefined) return 'new';
  return ['quarantine', ...items[0].candidates.map((each) => letterOf(each.node)).sort()].join(' ');
}

test('there are at least 40 stories, each with a name of its own', () => {
  expect(new Set(stories.map(({ name }) => name)).size).toBe(stories.length);
  expect(stories.length).toBeGreaterThanOrEqual(40);
});

test.concurrent.each(stories)('$name: $outcome', async (story) => {
  expect(await outcomeOf(story)).toBe(story.outcome);
});

/** A machine that could be either of two approved nodes, so that it waits in quarantine. */
async function doubtful(name: string) {
  const before = await prepare({ name, known: { A: { macs: 'M11' }, B: { uuid: 'U1', serial: 'S1', board: 'B1' } } });
  const hardware = hardwareOf(name, { uuid: 'U1', serial: 'S1', board: 'B1', macs: 'M11' }, {});
  const identity = newIdentity();
  const { node } = await enrol(identity, hardware);
  return { a: before.nodes.A!, b: before.nodes.B!, keys: before.keys, node, identity, hardware };
}
const eventsOf = async (node: string) =>
  (await call('getHistory', { params: { node } })).items
    .filter(({ type }) => type === 'event')
    .map(({ kind, actor, reason }) => ({ kind, actor, reason }));
const keysOf = async (node: string) =>
  Object.fromEntries((await call('getNode', { params: { node } })).keys.map((key) => [key.fingerprint, key.status]));

test('a doubt is shown with the score of each part and why; nobody approves it, and another key raises it no second time', async () => {
  const { a, b, node, identity, hardware } = await doubtful('shown');
  await call('putApprovalRule', { params: { rule: 'shown' }, body: { serials: [hardware.serial!] } });
  const { items } = await call('getQuarantine', { params: { node } });
  const sides = [
    { kind: 'uuid', points: 50, of: 50, why: `both say ${hardware.uuid}` },
    { kind: 'serial', points: 25, of: 25, why: `both say ${hardware.serial}` },
    { kind: 'board', points: 25, of: 25, why: `both say ${hardware.board_serial}` },
  ];
  const cards = [{ kind: 'macs', points: 100, of: 100, why: '1 in common, of 1 and 1 on record' }];
  const candidates = [
    { node: a, name: a, score: 100, against: 0, evidence: cards },
    { node: b, name: b, score: 100, against: 0, evidence: sides },
  ].sort((x, y) => (x.node < y.node ? -1 : 1));
  const [doubt] = items;
  expect(items).toEqual([
    {
      ...{ id: doubt!.id, node, name: node, kind: 'claim', opened_at: doubt!.opened_at },
      ...{ why: 'it could be any of several nodes', candidates },
    },
  ]);
  const text = (await machinedb(harness.daemons[0], ['quarantine', 'show', node])).stdout;
  expect(text).toContain(`\n${a} (${a}): 100 points for it, 0 against\n`);
  expect(text).toContain('  serial  25/25   both say ');
  expect((await machinedb(harness.daemons[0], ['quarantine', 'list', '--json'])).stdout).toContain(node);

  // A rule and a second look approve it as little as a person does.
  expect(await enrol(identity, hardware)).toMatchObject({ node, status: 'pending' });
  const fingerprint = identity.fingerprint;
  await expect(call('approveNode', { params: { node }, body: { fingerprint, reason: 'x' } })).rejects.toThrow(
    `nobody can tell which machine node ${node} is: look at machinedb quarantine show ${node}, then merge or split it`,
  );
  expect(await enrol(newIdentity(), hardware)).toMatchObject({ node, status: 'pending' });
  expect((await eventsOf(node)).map(({ kind }) => kind)).toEqual([
    'node.claimed_again',
    'alarm.identity',
    'node.enrolled',
  ]);
});

test('a split says that it is a machine of its own: it is approved as any other, and known when it comes again', async () => {
  const { a, b, node, identity, hardware } = await doubtful('split');
  const split = await machinedb(harness.daemons[0], ['split', node, '--reason', 'its own label', '--json']);
  expect(JSON.parse(split.stdout)).toMatchObject({ node: { id: node }, apart: [a, b].sort() });
  expect((await eventsOf(node))[0]).toEqual({ kind: 'node.split', actor: 'operator', reason: 'its own label' });
  const [closed] = (await call('getQuarantine', { params: { node } })).items;
  expect(closed!.closed).toMatchObject({ decision: 'split', by: 'operator', reason: 'its own label' });
  await call('approveNode', {
    params: { node },
    body: { fingerprint: identity.fingerprint, reason: 'console' },
  });
  expect(await enrol(newIdentity(), hardware)).toMatchObject({ node, status: 'rekey' });
  await expect(call('splitNode', { params: { node }, body: { reason: 'x' } })).rejects.toThrow(
    `node ${node} is merged into none, and nothing about it is in doubt: machinedb quarantine list`,
  );
});

test('a merge brings no trust: the key waits at the other node; the history stays under its own id and points there', async () => {
  const { b, keys, node, identity, hardware } = await doubtful('merge');
  const merge = (query: { dry_run?: 'true' }) =>
    call('mergeNode', { params: { node }, query, body: { into: b, reason: 'same label' } });
  expect((await merge({ dry_run: 'true' })).node.merged_into).toBe(b);
  expect((await call('getNode', { params: { node } })).merged_into).toBeUndefined();
  const { node: merged } = await merge({});
  expect(merged).toMatchObject({ id: node, merged_into: b, state: 'retired' });
  expect((await eventsOf(node)).map(({ kind, reason }) => [kind, reason])).toEqual([
    ['node.state', 'same label'],
    ['node.merged', 'same label'],
    ['alarm.identity', 'it could be any of several nodes'],
    ['node.enrolled', undefined],
  ]);
  expect((await eventsOf(b))[0]).toEqual({ kind: 'node.took_over', actor: 'operator', reason: 'same label' });
  expect(await keysOf(b)).toEqual({ [keys.B!.fingerprint]: 'current', [identity.fingerprint]: 'pending' });
  expect(await enrol(identity, hardware)).toMatchObject({ node: b, status: 'rekey' });
  expect((await call('getQuarantine', { params: { node } })).items[0]!.closed).toMatchObject({ decision: 'merged' });
  const active = call('setNodeState', { params: { node }, body: { state: 'active', reason: 'x' } });
  await expect(active).rejects.toThrow(`node ${node} is merged into ${b}: machinedb split undoes that`);
  await expect(call('mergeNode', { params: { node }, body: { into: b, reason: 'x' } })).rejects.toThrow(
    `node ${node} is merged into ${b}: machinedb split undoes that`,
  );

  const then = (await call('getHistory', { params: { node } })).items.find(({ kind }) => kind === 'node.merged')!.at;
  const at = async (time: number) =>
    (await call('getNode', { params: { node }, query: { as_of: new Date(time).toISOString() } })).merged_into;
  expect([await at(Date.parse(then) - 1), await at(Date.parse(then) + 2)]).toEqual([undefined, b]);
  const macsAt = async (time: number) =>
    (await call('getNode', { params: { node: b }, query: { as_of: new Date(time).toISOString() } })).hardware.macs;
  const macs = [[], hardware.macs];
  expect([await macsAt(Date.parse(then) - 1), await macsAt(Date.parse(then) + 2)]).toEqual(macs);

  // It can be undone while nobody has trusted the key.
  const undone = await call('splitNode', { params: { node }, body: { reason: 'another label' } });
  expect(undone).toMatchObject({ node: { id: node, state: 'discovered', level: 'claimed' }, apart: [b] });
  expect(undone.node.merged_into).toBeUndefined();
  expect(await keysOf(b)).toEqual({ [keys.B!.fingerprint]: 'current' });
  expect(await keysOf(node)).toEqual({ [identity.fingerprint]: 'current' });
  expect((await call('getNode', { params: { node: b } })).hardware).not.toHaveProperty('macs.0');
  expect([await macsAt(Date.parse(then) - 1), await macsAt(Date.parse(then) + 2)]).toEqual(macs);
  expect(await enrol(identity, hardware)).toMatchObject({ node, status: 'pending' });

  // And no more once it was.
  await merge({});
  await call('approveNode', { params: { node: b }, body: { fingerprint: identity.fingerprint, reason: 'console' } });
  await expect(call('splitNode', { params: { node }, body: { reason: 'x' } })).rejects.toThrow(
    `the key that came from node ${node} was approved for node ${b} since: revoke ${b}, and let its machine enrol again`,
  );
});

test('what cannot be merged is refused, with the way out', async () => {
  const { a, b, node } = await doubtful('refused');
  const merge = (id: string, into: string) => call('mergeNode', { params: { node: id }, body: { into, reason: 'x' } });
  await expect(merge(a, a)).rejects.toThrow('a node cannot be merged into itself: name two nodes');
  await expect(merge(a, node)).rejects.toThrow(`node ${a} is approved and ${node} is not: merge ${node} into ${a}`);
  await call('assignNode', { params: { node: a }, body: { fqdn: 'a.example.org', reason: 'x' } });
  await expect(merge(a, b)).rejects.toThrow(
    `node ${a} has the name a.example.org: merge the other way round, or take its intent away and release its addresses first`,
  );
  await call('revokeNode', { params: { node: b }, body: { reason: 'stolen' } });
  await expect(merge(b, a)).rejects.toThrow(`node ${b} is revoked: a merge would bring its key back. Approve it first`);
});

test('a machine whose parts are replaced one after the other stays known, and its history tells what it was', async () => {
  const name = 'theseus';
  const first = { uuid: 'U1', serial: 'S1', board: 'B1', macs: 'M1 M2', dimms: 'D1 D2' };
  const { nodes, keys } = await prepare({ name, known: { A: first } });
  for (const change of [
    { macs: 'M1 M3' },
    { macs: 'M4 M3' },
    { macs: 'M4 M3', uuid: 'U2', board: 'B2', serial: 'S2' },
  ]) {
    Object.assign(first, change);
    expect(await enrol(keys.A!, hardwareOf(name, first, {}))).toMatchObject({ status: 'approved' });
  }
  first.dimms = 'D3 D4';
  expect(await enrol(newIdentity(), hardwareOf(name, first, {}))).toMatchObject({ node: nodes.A, status: 'rekey' });
  expect((await eventsOf(nodes.A!)).filter(({ kind }) => kind === 'node.hardware')).toHaveLength(3);
});

test('a part is followed through nodes by its serial number, by API and command line', async () => {
  const [first, second] = [simulateNode(harness.directory, 7001), simulateNode(harness.directory, 7002)];
  const [daemon] = harness.daemons;
  for (const simulated of [first, second]) {
    const { node, fingerprint } = await simulated.enrol(daemon);
    await call('approveNode', { params: { node }, body: { fingerprint, reason: 'console' } });
  }
  const disk = { 'DISK/1': { serial: 'DISK/1', model: 'PM9A3', pci: '0000:01:00.0' } };
  await first.report(daemon, { disks: disk });
  await first.report(daemon, { disks: {} });
  await second.report(daemon, { disks: disk, nics: { a: { mac: 'b0:7b:25:aa:00:01', pci: '0000:17:00.0' } } });
  const seen = (node: string, until: unknown) => ({
    ...{ node, name: node, slot: '0000:01:00.0', since: expect.any(String) },
    ...(until === undefined ? {} : { until }),
  });
  const history = [seen(second.node!, undefined), seen(first.node!, expect.any(String))];
  const shown = await machinedb(daemon, ['part', 'show', 'DISK/1', '--json']);
  expect(JSON.parse(shown.stdout)).toEqual({
    items: [{ kind: 'disk', serial: 'DISK/1', model: 'PM9A3', seen: history }],
  });
  const { stdout } = await machinedb(daemon, ['part', 'list', '--node', second.node!, '--kind', 'nic']);
  expect(stdout).toMatch(new RegExp(`^KIND .*\nnic +b0:7b:25:aa:00:01 +${second.node} +0000:17:00.0 +\\S+\n$`));
  const then = {
    kind: 'disk',
    node: first.node!,
    as_of: (await call('getPart', { params: { serial: 'DISK/1' } })).items[0]!.seen[1]!.since,
  } as const;
  // The time is shown in milliseconds, a little before that of the row.
  const later = new Date(Date.parse(then.as_of) + 1).toISOString();
  expect((await call('listParts', { query: { ...then, as_of: later } })).items).toMatchObject([{ serial: 'DISK/1' }]);
  expect((await call('listParts', { query: { kind: 'disk', node: first.node! } })).items).toEqual([]);
  const pages = await call('listParts', { query: { limit: 1 } });
  expect((await call('listParts', { query: { limit: 1, cursor: pages.next! } })).items).toHaveLength(1);
});

test('a claim that nobody approved makes room after a week; one that is in doubt waits for its decision', async () => {
  const { node } = await doubtful('old');
  const { nodes } = await prepare({ name: 'older', known: { A: { macs: 'M1', is: 'claimed' } } });
  const client = new pg.Client({ connectionString: harness.databaseUrl });
  await client.connect();
  try {
    await client.query("update node set created_at = now() - interval '8 days' where id = any ($1)", [[node, nodes.A]]);
  } finally {
    await client.end();
  }
  const status = () =>
    call('getNode', { params: { node: nodes.A! } }).then(
      () => 200,
      ({ status: code }: ApiError) => code,
    );
  await expect.poll(status, { timeout: 15_000 }).toBe(404);
  expect(await call('getNode', { params: { node } })).toMatchObject({ id: node, state: 'discovered' });
});
