import { expect, test } from 'vitest';
import { blank } from './blank.ts';
import type { Entry } from './tar.ts';

const secret = Buffer.alloc(32, 7);
const file = (text: string): Entry => ({ kind: 'file', content: Buffer.from(text, 'latin1') });

/** What the files have in them after these values were told in a report. */
function blanked(report: unknown, files: Record<string, string>): Record<string, string> {
  const entries = blank(new Map(Object.entries(files).map(([path, text]) => [path, file(text)])), report, secret);
  return Object.fromEntries(
    [...entries].map(([path, entry]) => [path, entry.kind === 'file' ? entry.content.toString('latin1') : '']),
  );
}

test('a MAC that an IPv6 address is made of is replaced as the MAC itself', () => {
  const { mac, address, short, plain } = blanked(
    { nics: [{ mac: '52:54:00:12:34:56' }] },
    {
      mac: '52:54:00:12:34:56',
      address: 'eth0 fe80::5054:ff:fe12:3456/64',
      short: 'fe80::ff:fe00:1 dev eth0',
      plain: 'fe80000000000000505400fffe123456 02 40 20 80 eth0',
    },
  );
  const [, end] = /^52:54:00:([0-9a-f:]{8})$/.exec(mac!)!;
  const [fourth, fifth, sixth] = end!.split(':') as [string, string, string];
  expect(end).not.toBe('12:34:56');
  expect(address).toBe(`eth0 fe80::5054:ff:fe${fourth}:${`${fifth}${sixth}`.replace(/^0{1,3}/, '')}/64`);
  expect(plain).toBe(`fe80000000000000505400fffe${fourth}${fifth}${sixth} 02 40 20 80 eth0`);
  expect(short).toMatch(/^fe80::ff:fe[0-9a-f]{2}:[0-9a-f]{1,4} dev eth0$/);
  expect(short).not.toContain('fe00:1 ');
});

test('a value is replaced whatever its case, prefix and characters, and as the name of a member', () => {
  const report = {
    nothing: null,
    disks: { sda: { wwn: 'naa.5000C500a1b2c3d4', serial: 'S/N.(1)+X*', asset_tag: 'A1' } },
    lldp: { 'AA:BB:CC:DD:EE:0F': { port: '1' } },
  };
  const got = blanked(report, {
    link: 'wwn-0x5000c500A1B2C3D4-part1',
    serial: 'a s/n.(1)+x* of it, S/Nx(1)+X*',
    short: ' A1\n',
    other: 'A1 stands for a port, too',
    bytes: Buffer.from('aabbccddee0f', 'hex').toString('latin1'),
    wide: Buffer.from('aabbccddee0f', 'latin1').toString('latin1'),
  });
  expect(got.link).toMatch(/^wwn-0x\d{4}[a-f]\d{3}[A-F]\d[A-F]\d[A-F]\d[A-F]\d-part1$/);
  expect(got.link).not.toContain('5000c500A1B2C3D4');
  expect(got.serial).toMatch(/^a [a-z]\/[a-z]\.\(\d\)\+[a-z]\* of it, S\/Nx\(1\)\+X\*$/);
  expect(got.serial).not.toContain('s/n.(1)+x*');
  expect(got.short).toMatch(/^ [A-F]\d\n$/);
  expect(got.short).not.toBe(' A1\n');
  expect(got.other).toBe('A1 stands for a port, too');
  const mac = Buffer.from(got.bytes!, 'latin1').toString('hex');
  expect(mac).toMatch(/^aabbcc[0-9a-f]{6}$/);
  expect(got.wide).toBe(mac);
  expect(mac).not.toBe('aabbccddee0f');
});
