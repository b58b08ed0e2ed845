import { expect, test } from 'vitest';
import { readConfig } from './config.ts';

test('without settings it listens on loopback with TLS, and keeps its state here', () => {
  expect(readConfig({})).toMatchObject({
    host: '127.0.0.1',
    port: 4280,
    tls: true,
    heartbeatMs: 30_000,
    databaseUrl: undefined,
  });
  expect(readConfig({ MACHINEDB_LISTEN: '[::1]:1' })).toMatchObject({ host: '::1', port: 1 });
});

test('all that is wrong is told at once', () => {
  expect(() => readConfig({ MACHINEDB_LISTEN: 'here', DATABASE_URL: 'mysql://x' })).toThrow(
    'settings are wrong; correct them in the environment:\n  MACHINEDB_LISTEN: expected HOST:PORT, an IPv6 address in brackets\n  DATABASE_URL: expected postgresql://...',
  );
});

test('what UEFI machines start is iPXE, or shim when that is set', () => {
  expect(readConfig({ MACHINEDB_PXE: 'eth1' }).pxe?.loader).toBe('ipxe');
  expect(readConfig({ MACHINEDB_PXE: 'eth1', MACHINEDB_PXE_LOADER: 'shim' }).pxe?.loader).toBe('shim');
  expect(() => readConfig({ MACHINEDB_PXE_LOADER: 'grub' })).toThrow('MACHINEDB_PXE_LOADER');
});

test('plain HTTP is only for loopback', () => {
  expect(() => readConfig({ MACHINEDB_TLS: 'off', MACHINEDB_LISTEN: '0.0.0.0:80' })).toThrow(
    'MACHINEDB_TLS=off is only for loopback, and MACHINEDB_LISTEN is 0.0.0.0:80: leave TLS on, or listen on 127.0.0.1',
  );
});

test('all that is wrong with the boot service’s settings is told at once, each by its variable', () => {
  expect(() =>
    readConfig({
      MACHINEDB_PXE: 'eth1',
      MACHINEDB_PXE_DHCP: 'both',
      MACHINEDB_PXE_POOL: '10.77.0.300-10.77.0.1',
      MACHINEDB_PXE_DNS: '10.77.0.2,x',
      MACHINEDB_PXE_SUBNETS: '/nosuch.json',
      MACHINEDB_PXE_RA: 'fd77::/48',
    }),
  ).toThrow(
    [
      'settings are wrong; correct them in the environment:',
      'MACHINEDB_PXE_DHCP: expected full or proxy',
      'MACHINEDB_PXE_POOL: expected FIRST-LAST, two IPv4 addresses',
      'MACHINEDB_PXE_DNS: expected IPv4 addresses with commas between',
      "MACHINEDB_PXE_SUBNETS: /nosuch.json cannot be read (ENOENT: no such file or directory, open '/nosuch.json'): expected a JSON list of networks",
      'MACHINEDB_PXE_RA: expected an IPv6 prefix of 64 bits, such as fd77::/64',
    ].join('\n  '),
  );
  const beside = { MACHINEDB_PXE_DHCP: 'proxy', MACHINEDB_PXE_LOADER: 'shim', MACHINEDB_PXE_ROUTER: '10.77.0.1' };
  expect(() => readConfig({ ...beside, MACHINEDB_PXE_RA_DNS: 'fd77::1' })).toThrow(
    [
      'settings are wrong; correct them in the environment:',
      'MACHINEDB_PXE_ROUTER: with MACHINEDB_PXE_DHCP=proxy another server gives addresses: take one of both away',
      'MACHINEDB_PXE_LOADER: with MACHINEDB_PXE_DHCP=proxy the signed GRUB looks for its files at the other server: give the addresses here, or start iPXE',
      'MACHINEDB_PXE_RA_DNS: name servers are advertised with a prefix: set MACHINEDB_PXE_RA, too',
    ].join('\n  '),
  );
});

test('the boot service: another server’s addresses, and router advertisements', () => {
  const settings = { MACHINEDB_PXE: 'eth1', MACHINEDB_PXE_DHCP: 'proxy', MACHINEDB_PXE_RA: 'fd77::/64' };
  expect(readConfig({ ...settings, MACHINEDB_PXE_RA_DNS: 'fd77::1,fd77::2' }).pxe).toMatchObject({
    interface: 'eth1',
    dhcp: 'proxy',
    pool: undefined,
    subnets: [],
    advertise: { prefix: 'fd77::/64', dns: ['fd77::1', 'fd77::2'] },
  });
  expect(readConfig({ MACHINEDB_PXE: 'eth1' }).pxe).toMatchObject({ dhcp: 'full', advertise: undefined });
});
