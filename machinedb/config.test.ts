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
