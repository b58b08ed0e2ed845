import { expect, test } from 'vitest';
import { bmc } from '../../shared/sections/bmc.ts';
import { observeEach } from '../facts.ts';
import { IPMI_ANSWER, openSystem } from '../system.ts';
import { byte, encode, qword, smbiosTree } from '../testing/smbios.ts';
import { makeTree, type Tree } from '../testing/tree.ts';
import { observe } from './bmc.ts';

const observed = (tree: Tree) => {
  const { sections, errors } = observeEach({ bmc: observe }, openSystem(makeTree(tree)));
  expect(errors).toEqual({});
  if (sections.bmc !== undefined) expect(bmc.observed.parse(sections.bmc)).toEqual(sections.bmc);
  return sections.bmc;
};

const ipmi = encode(38, 0x2600, 0x12, { 4: byte(1), 5: byte(0x20), 6: byte(0x20), 8: qword(0xca9) });

/** A Redfish-over-IP record (DSP0270, 9.3) as a Dell server has it. */
function redfish(change: (data: Buffer) => void = () => {}): Buffer {
  const name = 'idrac.local';
  const data = Buffer.alloc(91 + name.length);
  Buffer.from('44454c4c470010518042b4c04f4d5932', 'hex').copy(data);
  data.set([2, 1], 16);
  data.set([3, 1, 169, 254, 1, 1], 50);
  data.set([255, 255, 255, 0], 68);
  data.writeUInt16LE(443, 84);
  data.writeUInt32LE(0xffffffff, 86);
  data.writeUInt8(name.length, 90);
  data.write(name, 91);
  change(data);
  const usb = [4, 2, 0x3c, 0x41, 0x02, 0xa1];
  const head = Buffer.from([42, 0, 0, 0x2a, 0x40, usb.length, ...usb, 2, 0, 3, 9, 9, 9, 4, data.length]);
  const structure = Buffer.concat([head, data]);
  structure.writeUInt8(structure.length, 1);
  return Buffer.concat([structure, Buffer.alloc(2)]);
}

test('SMBIOS 38 and 42: the interface, and Redfish behind a USB network', () => {
  expect(observed(smbiosTree([3, 2], [ipmi, redfish()]))).toEqual({
    interface: 'kcs',
    ipmi_version: '2.0',
    redfish: {
      uuid: '4c4c4544-0047-5110-8042-b4c04f4d5932',
      address: '169.254.1.1',
      port: 443,
      hostname: 'idrac.local',
    },
  });
});

test('Redfish by IPv6, in a VLAN', () => {
  const structure = redfish((data) => {
    data[17] = 2;
    data.write('fd0102030000000000000000000000ff', 18, 'hex');
    data[51] = 2;
    data.write('fd010203000000000000000000000001', 52, 'hex');
    data.writeUInt32LE(7, 86);
  });
  expect(observed(smbiosTree([3, 2], [structure]))).toMatchObject({
    redfish: { host_address: 'fd01:203::ff', address: 'fd01:203::1', vlan: 7 },
  });
});

test('a host interface cut short, of another kind, or with lengths that lead out of it', () => {
  const whole = redfish();
  const kcs = encode(42, 1, 0x10, { 4: byte(2) });
  expect(observed(smbiosTree([3, 2], [kcs]))).toBeUndefined();
  for (let length = 4; length < whole.length - 2; length++) {
    const cut = Buffer.concat([whole.subarray(0, length), Buffer.alloc(2)]);
    cut.writeUInt8(length, 1);
    observed(smbiosTree([3, 2], [cut]));
    for (const value of [0, 1, 255]) {
      const wrong = Buffer.from(whole);
      wrong.writeUInt8(value, Math.max(length, 4));
      observed(smbiosTree([3, 2], [wrong]));
    }
  }
});

test("what the kernel's driver learned", () => {
  const at = '/sys/devices/platform/ipmi_bmc.0';
  const tree = {
    [`${at}/firmware_revision`]: '7.10\n',
    [`${at}/ipmi_version`]: '2.0\n',
    [`${at}/manufacturer_id`]: '0x0002a2\n',
    [`${at}/product_id`]: '0x0100\n',
    [`${at}/guid`]: '44454c4c-4700-1051-8042-b4c04f4d5932\n',
    '/sys/devices/platform/ipmi_bmc.x/firmware_revision': 'no\n',
  };
  expect(observed(tree)).toEqual({
    firmware: '7.10',
    ipmi_version: '2.0',
    manufacturer_id: '674',
    product_id: '256',
    guid: '44454c4c-4700-1051-8042-b4c04f4d5932',
  });
  // An id in another form than the kernel's is none; neither is there a controller without a device of its driver.
  expect(observed({ [`${at}/manufacturer_id`]: '674 or so\n', [`${at}/product_id`]: '1e9\n' })).toBeUndefined();
  expect(observed({ '/sys/devices/platform/undefined/ipmi_version': '2.0\n' })).toBeUndefined();
});

const printed = {
  'mc-info': `Device ID                 : 32
Device Revision           : 1
Firmware Revision         : 2.46
IPMI Version              : 2.0
Manufacturer ID           : 674
Manufacturer Name         : DELL Inc
Product ID                : 256 (0x0100)
Product Name              : Unknown (0x100)
Aux Firmware Rev Info     :${' '}
    0x00
`,
  'lan-print-1': `Set in Progress         : Set Complete
Auth Type Enable        : Callback : MD2 MD5${' '}
                        : User     : MD2 MD5${' '}
IP Address Source       : DHCP Address
IP Address              : 10.1.9.5
Subnet Mask             : 255.255.254.0
MAC Address             : D0:94:66:2F:11:22
SNMP Community String   : public
Default Gateway IP      : 10.1.8.1
Default Gateway MAC     : 00:00:00:00:00:00
802.1q VLAN ID          : 12
`,
  'lan6-print-1': `IPv6 Static Address 0:
    Enabled:        yes
    Address:        2001:db8:9::5/64
    Status:         active
IPv6 Static Address 1:
    Enabled:        no
    Address:        2001:db8:9::6/64
    Status:         disabled
IPv6 Dynamic Address 0:
    Source/Type:    DHCPv6
    Address:        2001:DB8:9::7/128
    Status:         active
IPv6 Dynamic Address 1:
    Source/Type:    SLAAC
    Address:        fe80::d294:66ff:fe2f:1122/64
    Status:         active
IPv6 Dynamic Address 2:
    Source/Type:    DHCPv6
    Address:        ::/0
    Status:         active
`,
};

test('what ipmitool printed: firmware, channel, MAC, addresses of both families', () => {
  expect(observed({ ...smbiosTree([3, 2], [ipmi]), [IPMI_ANSWER]: JSON.stringify(printed) })).toEqual({
    interface: 'kcs',
    ipmi_version: '2.0',
    firmware: '2.46',
    manufacturer: 'DELL Inc',
    manufacturer_id: '674',
    product_id: '256',
    channel: 1,
    mac: 'd0:94:66:2f:11:22',
    addresses: { '10.1.9.5/23': true, '2001:db8:9::5/64': true, '2001:db8:9::7/128': true },
    address_source: 'dhcp',
    gateway: '10.1.8.1',
    vlan: 12,
  });
});

test('a controller that has no address yet, and whose maker nobody knows', () => {
  const answers = {
    'mc-info': 'Firmware Revision : 1.00\nManufacturer Name : Unknown (0x7)\n',
    'lan-print-8': `IP Address Source       : Static Address
IP Address              : 0.0.0.0
Subnet Mask             : 255.0.255.0
MAC Address             : 00:00:00:00:00:00
Default Gateway IP      : 0.0.0.0
802.1q VLAN ID          : Disabled
`,
  };
  expect(observed({ [IPMI_ANSWER]: JSON.stringify(answers) })).toEqual({
    firmware: '1.00',
    channel: 8,
    address_source: 'static',
  });
});

test('a machine without a controller has no such section, and an answer that is none is told', () => {
  expect(observed({ '/etc/none': '' })).toBeUndefined();
  const errorOf = (text: string) => observeEach({ bmc: observe }, openSystem(makeTree({ [IPMI_ANSWER]: text }))).errors;
  expect(errorOf('{')).toEqual({ bmc: '/run/machinedb/ipmitool.json is not JSON: it was not understood' });
  expect(errorOf('[]')).toEqual({ bmc: '/run/machinedb/ipmitool.json holds no object: it was not understood' });
});
