import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { PxeOptions } from '../pxe.ts';
import { keptLog } from '../testing.ts';
import { serveDhcp } from './serve.ts';

function options(more: Partial<PxeOptions>): PxeOptions {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-serve-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return {
    interface: { name: 'eth1', address: '10.77.0.1', prefixLength: 24, mac: '52:54:00:00:00:01' },
    ...{ leaseSeconds: 600, directory, files: directory, httpPort: 0 },
    decide: () => Promise.reject(new Error('not asked')),
    ...{ arguments: () => [], log: keptLog(), now: () => 0, isKnown: async () => false, random: () => 0.5 },
    ...more,
  };
}

test.each([
  ['of another network', '10.9.0.10', '10.9.0.20'],
  ['that ends before it begins', '10.77.0.20', '10.77.0.10'],
  ['with our own address', '10.77.0.1', '10.77.0.10'],
])('a pool %s is refused, with its variable', async (_, first, last) => {
  await expect(serveDhcp(options({ pool: { first, last } }), '')).rejects.toThrow(
    `the pool ${first}-${last} (MACHINEDB_PXE_POOL) does not fit interface eth1 (10.77.0.1/24): it must lie in its network, in order, without its address`,
  );
});

test.each(['full', 'proxy'] as const)(
  '%s: a network behind a relay that is the interface’s own is refused',
  async (dhcp) => {
    const subnets = [{ cidr: '10.77.0.128/25', relays: ['10.77.0.129'], ports: [] }];
    await expect(serveDhcp(options({ dhcp, subnets }), '')).rejects.toThrow(
      'MACHINEDB_PXE_SUBNETS: 10.77.0.128/25 is the network of interface eth1 (10.77.0.1/24): it is served without a relay, by MACHINEDB_PXE_POOL and its like; take it out',
    );
  },
);
