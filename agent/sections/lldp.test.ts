import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { interfaceName } from '../../shared/match-port.ts';
import { asked, saved } from '../../shared/sections/lldp.fixture.ts';
import { lldp } from '../../shared/sections/lldp.ts';
import { observeEach } from '../facts.ts';
import { parseLldpctl } from '../parse/lldpctl.ts';
import { ANSWERS, LLDP_NEIGHBORS, openSystem } from '../system.ts';
import { fixturePath, testCaptured } from '../testing/fixture.ts';
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

const lldpctl = (text: string) => ({ [`${ANSWERS}/lldpctl.xml`]: text });

testCaptured('so is what lldpd knows of interfaces of which systemd-networkd knows nothing', () => {
  const xml = readFileSync(fixturePath('lldp/lldpctl-four-nic.xml'), 'utf8');
  const { sections, errors } = facts({
    ...port('eth0', 2),
    ...port('eth4', 3),
    '/run/systemd/netif/lldp/2': savedFile,
    ...lldpctl(xml),
  });
  expect(errors).toEqual({});
  expect(sections).toEqual({
    lldp: {
      eth0: saved,
      eth4: {
        '28:c0:da:b9:5b:f0 2113': {
          chassis_id: '28:c0:da:b9:5b:f0',
          chassis_id_subtype: 'mac',
          system_name: 're0.access-switch01.ewr01',
          port_id: '2113',
          port_id_subtype: 'local',
          port_description: 'ge-6/0/19.0',
          management_addresses: { '172.16.255.11': true },
          port_vlan: 108,
          vlans: { 108: { name: 'EWR-PROVISIONING' } },
        },
      },
    },
  });
  expect(lldp.observed.parse(sections.lldp)).toEqual(sections.lldp);
});

testCaptured(
  'every sample of lldpctl in XML tells a neighbour; its key-value form, which is not asked for, is refused',
  () => {
    const sample = (name: string) => readFileSync(fixturePath(`lldp/${name}`), 'utf8');
    const count = (name: string) => [...parseLldpctl(sample(name)).values()].flat().length;
    const names = readdirSync(fixturePath('lldp'));
    expect(
      Object.fromEntries(names.filter((name) => name.endsWith('.xml')).map((name) => [name, count(name)])),
    ).toEqual({
      'lldpctl-bad.xml': 1,
      'lldpctl-empty.xml': 6,
      'lldpctl-four-nic.xml': 3,
      'lldpctl-no-name.xml': 2,
      'lldpctl-no-vlan-id.xml': 1,
      'lldpctl-single.xml': 1,
      'lldpctl-two-nic.xml': 2,
    });
    for (const name of names.filter((each) => each.endsWith('.txt')))
      expect(() => count(name)).toThrow('not one XML element');
    const [vlans] = [...parseLldpctl(sample('lldpctl-no-vlan-id.xml')).values()].flat();
    expect([vlans?.port_vlan, vlans?.vlans]).toEqual([undefined, {}]);
  },
);

test('neighbours of other protocols, and those without ids, are left out; a broken answer of lldpctl is told', () => {
  const neighbor = (via: string, id: string) =>
    `<interface name="eth0" via="${via}"><chassis>${id}</chassis><port><id type="ifname">swp1</id></port></interface>`;
  const told = (text: string) => facts({ ...port('eth0', 2), ...lldpctl(text) });
  const other = neighbor('CDPv2', '<id type="local">cisco</id>') + neighbor('LLDP', '<name>sw</name>');
  expect(told(`<lldp>${other}<interface/></lldp>`)).toEqual({ sections: {}, errors: {} });
  expect(told('<lldp><interface').errors).toEqual({ lldp: 'the XML is broken at character 6' });
  expect(told('<x/>').errors).toEqual({ lldp: 'lldpctl answered x, not lldp' });
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
