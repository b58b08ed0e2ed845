import { afterAll, beforeAll, test } from 'vitest';
import type { Node } from '../shared/api/nodes.ts';
import { catalogue, emptyDisk, openSite, powerOn, type Site } from './lab/site.ts';

let site: Site;
beforeAll(async () => {
  site = await openSite();
  await catalogue(site, 'discovery');
  await catalogue(site, 'baseOs');
}, 400_000);
afterAll(() => site?.close());

test.each(['bios', 'uefi'] as const)('%s', async (firmware) => {
  const t = Date.now();
  const mark = (s: string) => console.log(`MARK ${firmware} ${((Date.now() - t) / 1000).toFixed(1)} ${s}`);
  const guest = powerOn(site, { firmware, mac: firmware === 'bios' ? '52:54:00:4d:01:01' : '52:54:00:4d:01:02', serial: `LAB-${firmware}`, disk: emptyDisk(site, `d-${firmware}`) });
  try {
    await guest.line(/machinedb: .* has /, 190_000);
    mark('network');
    const line = await guest.line(/this machine is node/, 90_000);
    mark('enrolled');
    const fingerprint = /key is (SHA256:\S+?),/.exec(line)![1]!;
    const node = /node ([0-9a-f-]{36})/.exec(line)![1]!;
    const { items } = await site.machinedb<{ items: Node[] }>('nodes');
    console.log(items);
    await site.machinedb('approve', node, '--fingerprint', fingerprint, '--reason', 'console');
    await site.machinedb('reinstall', node, '--image', site.images.baseOs.name, '--reason', 'new');
    await guest.line(/install 1 of .* begins/, 60_000);
    mark('install begins');
    await guest.line(/installed: starting the disk/, 190_000);
    mark('installed');
    await guest.line(/login:/, 190_000);
    mark('login');
    console.log(await site.machinedb('boot', 'explain', '--mac', '52:54:00:4d:01:01'));
    console.log(await site.machinedb('show', node));
  } finally {
    console.log(guest.console.join('\n').slice(-6000));
    console.log(site.harness.daemons[0].log.filter((l) => l.includes('pxe')).join('\n'));
    await guest.close();
  }
}, 600_000);
