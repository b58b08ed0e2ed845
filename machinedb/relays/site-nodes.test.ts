import { expect, test } from 'vitest';
import { withIntents } from '../testing/intents.ts';
import { siteNodes } from './site-nodes.ts';

const { ask, node, db, context } = await withIntents();
await ask('putSite', { params: { site: 'ams1' }, body: {} });
const file = (digit: string) => ({ sha256: digit.repeat(64), size: 1 });
await ask('putImage', {
  params: { image: 'discovery-2026.11' },
  body: {
    ...{ name: 'discovery-2026.11', kind: 'discovery', architecture: 'amd64', built_at: '2026-11-21T00:00:00Z' },
    ...{ files: { kernel: file('a'), initrd: file('b'), rescue: file('d') }, agent: '3'.repeat(64), packages: {} },
  },
});
const set = (id: string, values: object) => db.updateTable('node').set(values).where('id', '=', id).execute();
const seen = async (id: string) => {
  const { boot, later, install } = (await siteNodes(context, 'ams1', undefined, 100)).find((each) => each.node === id)!;
  return { boot: boot.reason, later: later && [later.at, later.boot.reason], after: install?.after.reason };
};
const machine = async (mac: string) => {
  const id = await node({ nics: { [mac]: { name: 'eth0', mac } } });
  await db.updateTable('node_now').set({ site: 'ams1' }).where('node', '=', id).execute();
  return id;
};

test('a relay is told when what was asked for ends by itself, and how the node boots then', async () => {
  const id = await machine('52:54:00:00:03:01');
  await set(id, { state: 'active', reinstall: 1, installed: 1 });
  expect(await seen(id)).toEqual({ boot: 'install 1 is done', later: undefined, after: undefined });
  const reason = 'disk';
  const { boot_once } = await ask('bootOnce', {
    params: { node: id },
    body: { target: 'discovery', reason, seconds: 900 },
  });
  expect(await seen(id)).toMatchObject({
    boot: 'discovery is asked for, for one boot',
    later: [boot_once!.until, 'install 1 is done'],
  });
  const public_key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g';
  const body = { operator: 'ann', public_key, reason };
  const { rescue } = await ask('openRescue', { params: { node: id }, body });
  expect(await seen(id)).toMatchObject({
    boot: 'rescue by ann',
    later: [rescue.until, 'install 1 is done'],
  });
});

test('an install is the boot that was asked for, and more: after it the disk is started', async () => {
  const id = await machine('52:54:00:00:03:02');
  await set(id, {
    ...{ state: 'installing', reinstall: 2, installed: 1 },
    install_request: JSON.stringify({ image: 'base-os-2026.11', wipe: false, disk: {} }),
  });
  await ask('bootOnce', { params: { node: id }, body: { target: 'discovery', reason: 'look', seconds: 900 } });
  expect(await seen(id)).toMatchObject({
    boot: 'discovery is asked for, for one boot',
    after: 'install 2 is done',
  });
});
