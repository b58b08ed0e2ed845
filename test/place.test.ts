import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { startHarness } from './harness.ts';
import { machinedb } from './program.ts';
import { simulateNode } from './simulated-node.ts';

const harness = await startHarness();
const [daemon] = harness.daemons;
afterAll(() => harness.close());

/** What a command prints; it must succeed. */
async function run(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await machinedb(daemon, args);
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}
function file(name: string, rows: object): string {
  const path = join(harness.directory, name);
  writeFileSync(path, JSON.stringify(rows));
  return path;
}
const heard = (of: string, port: string) => ({ [`${of} ${port}`]: { system_name: of, port_id: port } });
const sections = (index: number, ports: Record<string, object>) => ({
  hostname: { hostname: `n${index}` },
  nics: { a: { name: 'eth0', mac: `52:54:00:00:01:0${index}` } },
  lldp: ports,
});

test('from a rack and its cables on paper to machines that have found their place', async () => {
  const call = harness.call;
  const at = { site: 'ams1', rack: 'r1' };
  await call('putSite', { params: { site: 'ams1' }, body: {} });
  await call('putRack', { params: at, body: { height: 3 } });
  await call('putFeed', { params: { site: 'ams1', feed: 'A' }, query: { rack: 'r1' }, body: { rating_w: 500 } });
  await call('putNameplate', { params: { model: 'Acme X/1' }, body: { draw_w: 300 } });
  await call('deleteNameplate', { params: { model: 'Acme X/1' } });
  const places = [1, 2].map((unit) => ({ switch: 'sw1', port: `p${unit}`, ...at, unit }));
  expect(await run('port-place', 'import', file('places.json', places))).toBe('2 stored\n');
  await call('putApprovalRule', { params: { rule: 'sim' }, body: { vendor: 'Simulated', take_place: 1 } });
  const nodes = [1, 2].map((index) => simulateNode(harness.directory, index));
  for (const [i, node] of nodes.entries()) {
    await node.enrol(daemon);
    await node.report(daemon, sections(i + 1, { eth0: heard('sw1', `p${i + 1}`) }));
  }
  const items = async () => (await call('getRack', { params: at })).items.map(({ name, unit }) => `${name} ${unit}`);
  await expect.poll(items, { timeout: 15_000 }).toEqual(['n1 1', 'n2 2']);
  await new Promise((resolve) => setTimeout(resolve, 2));
  const before = new Date().toISOString();

  const [first, second] = nodes.map(({ node }) => node!);
  expect(await run('move', `${first}=r1:2`, `${second}=1`, '--reason', 'they were mixed up', '--yes')).toContain(
    '2 nodes changed\n',
  );
  const drawn = (one: string, two: string, more: string) => `\
rack r1 of site ams1: 3 units${more}

     front                                       rear (seen from behind)
     +------------------------------------+      +------------------------------------+
  3  |                                    |      |                                    |
  2  |[${one}                                ]|      |[${one}                                ]|
  1  |[${two}                                ]|      |[${two}                                ]|
     +------------------------------------+      +------------------------------------+
feeds:
  A 500 W
`;
  expect(await run('rack', 'show', 'r1')).toBe(drawn('n1', 'n2', ''));
  expect(await run('rack', 'show', 'ams1/r1', '--as-of', before)).toBe(drawn('n2', 'n1', `, as of ${before}`));
  expect(await machinedb(daemon, ['move', `${first}=9`, `${second}=3`, '--reason', 'x', '--yes'])).toEqual({
    ...{ code: 1, stdout: '' },
    stderr: `machinedb: 1 of 2 cannot be moved, so none is: ${first}: units 9-9 do not fit: rack r1 of site ams1 has 3
  at /items/0
`,
  });

  const cables = [
    { node: first, nic: 'eth0', switch: 'SW1', port: 'p2' },
    { node: second, nic: 'eth0', switch: 'sw1', port: 'p1' },
  ];
  expect(await run('cable', 'import', file('cables.json', { items: cables }))).toBe('2 stored\n');
  const findings = async () =>
    (await call('listFindings', { query: { section: 'cabling' } })).items.map(({ message }) => message);
  const crossed =
    /^cables are crossed: eth0 of n\d is in port p\d of switch sw1, and eth0 of n\d in port p\d of switch sw1/;
  await expect.poll(findings, { timeout: 15_000 }).toEqual([expect.stringMatching(crossed)]);
  await call('deleteCable', { query: { node: second!, nic: 'eth0' } });
  await call('deletePortPlace', { query: { switch: 'sw1', port: 'p1' } });
  expect((await call('listPortPlaces', { query: {} })).items).toHaveLength(1);
}, 60_000);
