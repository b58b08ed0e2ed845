import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { verify, withReceiver } from '../machinedb/testing/webhook-receiver.ts';
import { command } from './command.ts';
import { startHarness } from './harness.ts';

const receiver = await withReceiver();
const directory = mkdtempSync(join(tmpdir(), 'machinedb-webhooks-'));
const file = join(directory, 'ca.pem');
writeFileSync(file, receiver.ca);
const harness = await startHarness({
  environment: { NODE_EXTRA_CA_CERTS: file, MACHINEDB_WEBHOOK_ALLOW: '127.0.0.0/8' },
});
const [daemon] = harness.daemons;
afterAll(async () => {
  await harness.close();
  rmSync(directory, { recursive: true });
});

test('a webhook by the command line: made, tested, shown, told by two daemons of each thing once, deleted', async () => {
  const url = `https://127.0.0.1:${receiver.port}/`;
  const made = await command(daemon.client, 'webhook', 'put', 'ops', '--url', url, '--kinds', 'site.*', '--json');
  const { secret, state } = JSON.parse(made.out);
  expect([made.code, state]).toEqual([0, 'active']);
  const tried = await command(daemon.client, 'webhook', 'test', 'ops');
  expect(tried).toEqual({ code: 0, out: 'delivered: true\nstatus: 204', note: '' });
  expect(JSON.parse(receiver.got[0]!.body)).toMatchObject({ type: 'machinedb.webhook.test', subject: 'webhook/ops' });

  const names = Array.from({ length: 40 }, (_, i) => `s${String(i).padStart(2, '0')}`);
  for (const site of names) await harness.call('putSite', { params: { site }, body: {} });
  const subjects = () => receiver.got.slice(1).map(({ body }) => JSON.parse(body).subject as string);
  await expect.poll(() => subjects().length, { timeout: 20_000 }).toBe(names.length);
  expect(subjects()).toEqual(names.map((site) => `site/${site}`));
  for (const got of receiver.got) expect(verify(secret, got)).toBe(true);

  const shown = await command(daemon.client, 'webhook', 'show', 'ops');
  expect(shown.out).toContain('state: active');
  expect(shown.out).not.toContain('whsec_');
  expect((await command(daemon.client, 'webhook', 'delete', 'ops')).out).toBe('deleted: true');
  expect((await command(daemon.client, 'webhook', 'list', '--json')).out).toBe('{\n  "items": []\n}');
}, 60_000);
