import { expect, test } from 'vitest';
import { interfaceName } from '../../shared/match-port.ts';
import { asked, saved } from '../../shared/sections/lldp.fixture.ts';
import { lldp } from '../../shared/sections/lldp.ts';
import { observeEach } from '../facts.ts';
import { LLDP_NEIGHBORS, openSystem } from '../system.ts';
import { answer, savedFile } from '../testing/lldp.ts';
import { makeTree, type Tree } from '../testing/tree.ts';
import { observers } from './index.ts';
import { observe } from './lldp.ts';

/** A port below a PCI function, as sysfs shows it. */
function port(name: string, index: number): Tree {
  const folder = `devices/pci0000:00/0000:00:0${index}.0/net/${name}`;
  return { [`/sys/${folder}/ifindex`]: `${index}\n`, [`/sys/class/net/${name}`]: { link: `../../${folder}` } };
}

const facts = (tree: Tree) => observeEach({ lldp: observe }, openSystem(makeTree(tree)));

test('frames that systemd-networkd saved are neighbours of the interface with their number', () => {
  const { sections, errors } = facts({
    ...port('eth0', 2),
    ...port('eth1', 3),
    '/run/systemd/netif/lldp/3': savedFile,
    '/run/systemd/netif/lldp/7': savedFile,
  });
  expect(errors).toEqual({});
  expect(sections).toEqual({ lldp: { eth1: saved } });
  expect(lldp.observed.parse(sections.lldp)).toEqual(sections.lldp);
});

test('so is what it answered, where it saves no frames', () => {
  const { sections, errors } = facts({ ...port('eth0', 2), ...port('v0', 3), [LLDP_NEIGHBORS]: answer });
  expect(errors).toEqual({});
  expect(sections).toEqual({ lldp: { v0: asked } });
  expect(lldp.observed.parse(sections.lldp)).toEqual(sections.lldp);
});

test('without a neighbour, and where only a virtual interface has one, there is nothing to say', () => {
  expect(facts(port('eth0', 2))).toEqual({ sections: {}, errors: {} });
  const virtual = {
    '/sys/devices/virtual/net/v0/ifindex': '3\n',
    '/sys/class/net/v0': { link: '../../devices/virtual/net/v0' },
  };
  expect(facts({ ...virtual, '/run/systemd/netif/lldp/3': savedFile, [LLDP_NEIGHBORS]: answer })).toEqual({
    sections: {},
    errors: {},
  });
});

test('of a hundred neighbours sixteen are told, and the report says so', () => {
  const [frame] = [savedFile.subarray(0, 8 + Number(savedFile.readBigUInt64LE(0)))];
  const frames = Array.from({ length: 100 }, (_, index) => {
    const other = Buffer.from(frame);
    // The last byte of the chassis's MAC.
    other[30] = index;
    return other;
  });
  const { sections } = facts({ ...port('eth0', 2), '/run/systemd/netif/lldp/2': Buffer.concat(frames) });
  const { eth0 } = sections.lldp as { eth0: Record<string, unknown> };
  expect(Object.keys(eth0)).toHaveLength(17);
  expect(eth0.truncated).toEqual({ dropped: 84 });
});

test('a broken frame hides no other, a broken answer is told', () => {
  const broken = Buffer.from(savedFile);
  broken[20] = 0;
  const { sections } = facts({ ...port('eth0', 2), '/run/systemd/netif/lldp/2': broken });
  expect(Object.keys((sections.lldp as { eth0: object }).eth0)).toEqual(['switch-b 516']);
  const told = (text: string) => facts({ ...port('v0', 3), [LLDP_NEIGHBORS]: text });
  expect(told('{"error":"org.varlink.service.MethodNotFound","parameters":{}}')).toEqual({ sections: {}, errors: {} });
  expect(told('{"error":"io.systemd.Busy","parameters":{}}').errors).toEqual({
    lldp: 'systemd-networkd does not tell its LLDP neighbours: io.systemd.Busy',
  });
  expect(told('{"parameters":{').errors.lldp).toMatch(/JSON/);
});

test('a port that an intent tells by its neighbour is found by what is observed, from file and answer', () => {
  const ports = { ...port('eth0', 2), ...port('v0', 3) };
  const trees = [
    { ...ports, '/run/systemd/netif/lldp/3': savedFile },
    { ...ports, [LLDP_NEIGHBORS]: answer },
  ];
  for (const tree of trees) {
    const { sections } = observeEach(observers, openSystem(makeTree(tree)));
    expect(interfaceName('uplink', { lldp: { system: 'sw1.r1.ams1', port: 'Ethernet7/1' } }, sections)).toBe('v0');
    expect(interfaceName('uplink', { lldp: { system: 'sw1.r1.ams1', port: 'Ethernet8/1' } }, sections)).toBeUndefined();
  }
});
