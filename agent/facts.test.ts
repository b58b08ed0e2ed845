import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { sections as schemas } from '../shared/sections/index.ts';
import { observeAll, observeEach } from './facts.ts';
import type { observers } from './sections/index.ts';
import { openSystem, type System } from './system.ts';
import { fixture, testCaptured } from './testing/fixture.ts';
import { makeTree } from './testing/tree.ts';

const trees = [
  'hwloc/128arm-2pa2n8cluster4co.tar.bz2',
  'hwloc/16amd64-8n2c.tar.bz2',
  'hwloc/20em64t-hybrid-1p6c2t+2ca4co1t.tar.bz2',
  'hwloc/32em64t-2n8c+dax+nvme+mic+dimms.tar.bz2',
  'hwloc/40intel64-2g2n4c+pcilocality.tar.bz2',
  'hwloc/96em64t-4no4pa3ca2co.tar.bz2',
  'hwloc/nvidiagpunumanodes.tar.bz2',
  'ghw/linux-amd64-415ee03b8c4d1c4f07ae2e9d8b3d3d6d.tar.gz',
  'ghw/linux-amd64-accel-nvidia.tar.gz',
  'ghw/linux-arm64-c288e0776090cd558ef793b2a4e61939.tar.gz',
];

function expectValid(system: System): void {
  const { sections, errors } = observeAll(system);
  expect(errors).toEqual({});
  for (const [name, section] of Object.entries(sections)) {
    const schema = schemas[name as keyof typeof observers].observed;
    expect(schema.parse(section), name).toEqual(section);
    // What a schema does not name would be kept, but no one would know what it means.
    expect(JSON.parse(JSON.stringify(section)), `${name} is plain JSON without undefined`).toStrictEqual(section);
  }
}

test('this machine reports without an error, as the schemas say, and twice the same', () => {
  const system = openSystem();
  expectValid(system);
  expect(observeAll(system)).toEqual(observeAll(system));
});

testCaptured.each(trees)('%s reports without an error, as the schemas say', (name) => {
  expectValid(openSystem(fixture(name)));
});

test('an empty machine has nothing to say and no errors', () => {
  expect(observeAll(openSystem(makeTree({ '/etc/none': '' })))).toEqual({ sections: {}, errors: {} });
});

test('a section that fails is told by name and hides no other', () => {
  const table = {
    good: () => ({ value: 1, none: undefined, empty: {} }),
    bad: () => {
      throw new Error('the disk is on fire');
    },
    silent: () => undefined,
  };
  expect(observeEach(table, openSystem())).toEqual({
    sections: { good: { value: 1 } },
    errors: { bad: 'the disk is on fire' },
  });
});

test('a FIFO where a file should be fails its section at once', () => {
  const root = makeTree({ '/etc/os-release': 'ID=debian\n', '/proc/sys/kernel/hostname': 'db1\n' });
  execFileSync('mkfifo', [`${root}/etc/hostname`]);
  expect(observeAll(openSystem(root))).toEqual({
    sections: { os: { distribution: 'debian' } },
    errors: { hostname: '/etc/hostname is not a regular file: it was not read' },
  });
});
