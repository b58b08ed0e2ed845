import { expect } from 'vitest';
import { parseList } from '../cpu/list.ts';
import { onlineCpus } from '../cpu/topology.ts';
import { openSystem } from '../system.ts';
import { fixture, testCaptured } from '../testing/fixture.ts';
import { allowedCpus, type Expected, expectedOf, type HwlocTest, hwlocTests, rounded } from '../testing/hwloc.ts';
import { observe as observeCpu } from './cpu.ts';
import { observe as observeNuma } from './numa.ts';

/** What of an expectation the facts need not equal, and why. */
function exceptions({ options, env }: HwlocTest, root: string): Partial<Record<keyof Expected | 'gpu nodes', string>> {
  const left = new Set<keyof Expected>();
  const why = 'lstopo was told to leave it out';
  for (const [, type = ''] of options.matchAll(/--(?:filter|ignore) (\w+)/g)) {
    if (/^(package|socket)/i.test(type)) left.add('packages');
    if (/^core/i.test(type)) left.add('cores');
    if (/^(pu|all)$/i.test(type)) left.add('threads');
  }
  // Merging drops the levels that group nothing.
  if (/--merge|:structure/.test(options)) for (const each of ['packages', 'cores'] as const) left.add(each);
  const system = openSystem(root);
  const allowed = allowedCpus(root);
  const restricted = allowed !== undefined && onlineCpus(system).some((cpu) => !parseList(allowed).includes(cpu));
  return {
    ...Object.fromEntries([...left].map((each) => [each, why])),
    ...(!/--restrict/.test(options) ? {} : all('lstopo was told to show a part')),
    ...(!restricted || /--disallowed|--whole-system/.test(options)
      ? {}
      : all('hwloc shows what its process might use, the facts show the machine')),
    ...(/HWLOC_KEEP_NVIDIA_GPU_NUMA_NODES=1/.test(env)
      ? {}
      : { 'gpu nodes': "hwloc leaves out a GPU's memory, which the facts mark as such" }),
  };
}

const all = (why: string) => ({ packages: why, cores: why, threads: why, nodes: why, distances: why });

const tests = hwlocTests();

testCaptured.each(tests.map((each) => [each.name, each] as const))('%s is as hwloc expects', (_, hwloc) => {
  const root = fixture(hwloc.source);
  const expected = expectedOf(hwloc);
  const except = exceptions(hwloc, root);
  const system = openSystem(root);
  const cpu = observeCpu(system);
  const counts = { packages: cpu?.sockets ?? 0, cores: cpu?.cores ?? 0, threads: cpu?.threads };
  for (const [name, count] of Object.entries(counts))
    if (except[name as keyof Expected] === undefined) expect([name, count]).toEqual([name, expected[name as 'cores']]);

  const nodes = Object.entries(observeNuma(system) ?? {}).filter(
    ([id, { gpu, cpus, memory_bytes }]) =>
      (gpu === undefined || except['gpu nodes'] === undefined) &&
      // A node with nothing in it is none to hwloc.
      (cpus !== undefined || (memory_bytes ?? 0) > 0 || expected.nodes.has(id)),
  );
  if (except.nodes === undefined)
    expect(nodes.map(([id, { memory_bytes = 0 }]) => [id, rounded(memory_bytes, expected.nodes.get(id))])).toEqual(
      [...expected.nodes].map(([id, { value }]) => [id, value]).sort(([a], [b]) => Number(a) - Number(b)),
    );
  for (const [id, node] of except.distances === undefined ? nodes : []) {
    const row = expected.distances?.get(id);
    if (row !== undefined) expect([...row.keys()].map((other) => node.distances?.[other])).toEqual([...row.values()]);
  }
});

testCaptured('each tree has CPUs, and all but one of them nodes with distances', () => {
  expect(tests.length).toBeGreaterThanOrEqual(7);
  for (const each of tests) expect(expectedOf(each).threads, each.name).toBeGreaterThan(0);
  expect(tests.filter((each) => expectedOf(each).distances === undefined).length).toBeLessThanOrEqual(tests.length - 6);
});
