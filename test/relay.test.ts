import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fetchToken } from '../agent/client/enrolment.ts';
import type { ImageManifest } from '../shared/boot.ts';
import { machinedb } from './program.ts';
import { startRelayProcess } from './relay-process.ts';
import { connectionsOf, get, macOf, withRelays } from './relay-site.ts';
import { request, type SimulatedNode, simulateNode } from './simulated-node.ts';

const { harness, daemon, call, put, kernel, initrd, manifest, startRelay, newNode, session, script, history, relays } =
  await withRelays();

test('a relay is made, listed and revoked; its token is shown once, and opens nothing but its own doors', async () => {
  const created = await machinedb(daemon(), ['relay', 'create', 'spare', '--site', 'lon1', '--json']);
  const { token, ...shown } = JSON.parse(created.stdout) as Record<string, string>;
  expect(shown).toEqual({
    ...{ name: 'spare', site: 'lon1', created_by: 'operator', created_at: expect.any(String) },
  });
  const bearer = { authorization: `Bearer ${token}` };
  const door = daemon();
  expect(await request(door, 'GET', '/v1/relay', undefined, bearer)).toMatchObject({ name: 'spare', site: 'lon1' });
  await expect(request(door, 'GET', '/v1/nodes', undefined, bearer)).rejects.toThrow(
    'this needs scope read, and the token of relay spare is for its own doors',
  );
  expect(await machinedb(daemon(), ['relay', 'create', 'spare', '--site', 'ams1'])).toMatchObject({
    code: 4,
    stderr: 'machinedb: there is a relay "spare": revoke it first, or take another name\n',
  });
  expect((await machinedb(daemon(), ['relay', 'revoke', 'spare'])).code).toBe(0);
  await expect(request(door, 'GET', '/v1/relay', undefined, bearer)).rejects.toMatchObject({ status: 401 });
  const { stdout } = await machinedb(daemon(), ['relay', 'list', '--json']);
  expect(JSON.parse(stdout)).toEqual({ items: [{ ...shown, revoked_at: expect.any(String) }] });
});

test('several agents are carried over one connection; the centre gone, known nodes boot and report, and are heard once and in order', async () => {
  let relay = await startRelay('rack1', 'ams1');
  const nodes = [await newNode(relay, 1), await newNode(relay, 2), await newNode(relay, 3)];
  const [node] = nodes as [SimulatedNode];
  await node.report(relay, { system: { serial: 'SIM-1', count: 0 } });
  const sessions = await Promise.all(nodes.map((each) => session(relay, each)));
  for (const each of sessions) each.send();
  for (const { got } of sessions)
    await expect
      .poll(() => got, { timeout: 10_000 })
      .toEqual([expect.objectContaining({ lease_ms: expect.any(Number) })]);
  const centrePort = Number(new URL(daemon().url).port);
  await expect.poll(() => connectionsOf(relay.process.pid!, centrePort), { timeout: 10_000 }).toBe(1);

  // What is wanted comes down at once, or, where the centre has not looked at the session before, with the next beat; it is kept as it passes.
  await call('putSiteIntent', { params: { site: 'ams1', section: 'time' }, body: { servers: { '10.0.0.1': {} } } });
  const beatAgain = () => {
    sessions[0]!.send();
    return sessions[0]!.got;
  };
  await expect
    .poll(beatAgain, { timeout: 20_000, interval: 1000 })
    .toContainEqual(expect.objectContaining({ want: expect.arrayContaining(['wanted']) }));
  const bearer = async () => ({ authorization: `Bearer ${await node.token(relay)}` });
  const wanted = await request<{ generation: number }>(relay, 'GET', '/v1/self/wanted', undefined, await bearer());
  await request(relay, 'POST', '/v1/self/starts-disk', '{"starts_disk":true}', await bearer());
  const local = await script(relay, macOf(node));
  expect(local).toContain('it has an operating system of its own');
  await expect
    .poll(() => existsSync(join(relay.directory, 'state/files', initrd.sha256)), { timeout: 20_000 })
    .toBe(true);
  await expect
    .poll(() => readFileSync(join(relay.directory, 'state/known.json'), 'utf8'), { timeout: 20_000 })
    .toContain('operating system of its own');

  await harness.kill(0);
  await harness.kill(1);
  for (const { ended } of sessions) expect(await ended).toBe('0 the session ended');
  // A known node is powered on again: it boots as before, and an unknown one is looked at, from what is kept.
  expect(await script(relay, macOf(node))).toBe(local);
  expect(await script(relay, '52:54:00:ff:ff:ff')).toContain(`kernel ${relay.bootUrl}/files/${kernel.sha256}`);
  expect((await get(`${relay.bootUrl}/files/${kernel.sha256}`)).body.length).toBe(kernel.size);
  node.reboot();
  await expect(node.token({ ...relay, url: 'https://127.0.0.1:1' })).rejects.toThrow();
  await node.report(relay, { system: { serial: 'SIM-1', count: 1 } });
  await node.report(relay, { system: { serial: 'SIM-1', count: 2 } });
  await node.applied(relay, { generation: wanted.generation, outcome: 'undone', steps: [], reason: 'no way' });
  expect(await request(relay, 'GET', '/v1/self/wanted', undefined, await bearer())).toEqual(wanted);
  const alone = await session(relay, node);
  alone.send();
  // It tells that it has nothing of what is wanted of it.
  await expect.poll(() => alone.got).toEqual([expect.objectContaining({ want: ['wanted'] })]);
  // What only the centre can say waits; what is not the node's is not taken.
  await expect(simulateNode(harness.directory, 99).enrol(relay)).rejects.toMatchObject({ status: 503 });
  await expect(
    request(relay, 'PUT', '/v1/self/observed', '{"boot_id":"x","seq":9,"version":"0","sections":{}}', {
      ...{ ...(await bearer()), 'machinedb-signature': Buffer.alloc(64).toString('base64') },
    }),
  ).rejects.toMatchObject({ status: 401 });

  // Power is cut, and nothing that was acknowledged is lost with it. Somebody puts a key of his own among those to be trusted.
  const own = { url: new URL(relay.url), pins: () => daemon().pins, clock: Date.now };
  expect(await fetchToken(own, node.identity, node.node!)).toMatchObject({ trust: { pins: daemon().pins } });
  await relay.kill();
  const file = join(relay.directory, 'state/known.json');
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace('"wanted_keys":[', '"wanted_keys":[{"id":"x","public_key":"AA=="},'),
  );
  relay = await startRelayProcess({ ...daemon() }, relay.directory, undefined);
  relays.push(relay);
  await expect(fetchToken({ ...own, url: new URL(relay.url) }, node.identity, node.node!)).rejects.toThrow(
    'what is to be trusted is not signed by a pinned CA: a relay on the way may not be one of ours',
  );
  node.reboot();
  await node.report(relay, { system: { serial: 'SIM-1', count: 3 } });
  expect((await script(relay, macOf(node))).replaceAll(relay.bootUrl, '')).toContain('operating system of its own');

  const queue = join(relay.directory, 'state/queue.jsonl');
  const waiting = readFileSync(queue, 'utf8');
  await harness.start(0);
  await harness.start(1);
  const counts = async () => (await history(node, 'system')).map(({ data }) => (data as { count: number }).count);
  await expect.poll(counts, { timeout: 30_000 }).toEqual([0, 1, 2, 3]);
  const undone = async () => (await history(node)).filter(({ kind }) => kind === 'apply.undone').length;
  expect(await undone()).toBe(1);
  await expect
    .poll(() => readFileSync(join(relay.directory, 'state/queue.jsonl'), 'utf8'), { timeout: 10_000 })
    .toBe('');
  // The pass of the relay opens nothing of the centre: with a token of the centre's the node goes on.
  await expect
    .poll(
      () =>
        request(relay, 'GET', '/v1/trust').then(
          () => true,
          () => false,
        ),
      { timeout: 10_000 },
    )
    .toBe(true);
  await expect(node.report(relay, { system: { serial: 'SIM-1', count: 4 } })).rejects.toMatchObject({ status: 401 });
  node.reboot();
  await node.report(relay, { system: { serial: 'SIM-1', count: 5 } });
  expect(await counts()).toEqual([0, 1, 2, 3, 5]);

  // Power was cut between the delivery and its note: all of it comes once more, and nothing happens twice.
  await relay.kill();
  writeFileSync(queue, waiting);
  relay = await startRelayProcess({ ...daemon() }, relay.directory, undefined);
  relays.push(relay);
  await expect.poll(() => readFileSync(queue, 'utf8'), { timeout: 30_000 }).toBe('');
  expect([await counts(), await undone()]).toEqual([[0, 1, 2, 3, 5], 1]);
}, 180_000);

test('a relay of another site gets nothing of ours: the same answers as for what does not exist', async () => {
  const relay = await startRelay('rack2', 'lon1');
  const ours = await newNode(daemon(), 10);
  await request(daemon(), 'POST', '/v1/self/starts-disk', '{"starts_disk":true}', {
    authorization: `Bearer ${await ours.token(daemon())}`,
  });
  const strange = await script(relay, '52:54:00:ff:ff:fe');
  expect(strange).toContain('unknown machine: it is looked at');
  // Each script has a time and pauses of its own.
  const lasting = (text: string) => text.replaceAll(/machinedb\.time=\d+|pause(:int32)? \d+/g, '');
  expect(lasting(await script(relay, macOf(ours)))).toBe(lasting(strange));
  const nobody = simulateNode(harness.directory, 11);
  nobody.node = '00000000-0000-4000-8000-000000000000';
  const refusal = async (work: Promise<unknown>) => String(await work.catch((error: Error) => error.message));
  const bearer = { authorization: `Bearer ${await ours.token(daemon())}` };
  expect(JSON.parse(await refusal(request(relay, 'GET', '/v1/self', undefined, bearer)))).toMatchObject({
    ...{ status: 404, detail: `there is no node ${ours.node} at the site of this relay` },
  });
  ours.reboot();
  expect((await refusal(ours.token(relay))).replaceAll(ours.node!, '')).toBe(
    (await refusal(nobody.token(relay))).replaceAll(nobody.node, ''),
  );
  await ours.token(daemon());
  await expect(session(relay, { ...ours, token: () => ours.token(daemon()) })).rejects.toMatchObject({ status: 404 });
  const known = readFileSync(join(relay.directory, 'state/known.json'), 'utf8');
  expect(known).not.toContain(ours.node!);
  expect(known).not.toContain(macOf(ours));
  await relay.kill('SIGTERM');
}, 60_000);

test('kill -9 in mid-download leaves no bad file, and a flipped bit is found and mended', async () => {
  const relay = await startRelay('rack3', 'ams1');
  await expect
    .poll(() => existsSync(join(relay.directory, 'state/files', initrd.sha256)), { timeout: 20_000 })
    .toBe(true);
  const big = put(Buffer.alloc(96 * 1024 * 1024, randomBytes(1024)));
  const folder = join(relay.directory, 'state/files');
  const coming = (async () => {
    for (;;) {
      if (readdirSync(folder).some((name) => name.startsWith('part-'))) return;
      await new Promise((done) => setTimeout(done, 1));
    }
  })();
  const newer: ImageManifest = { ...manifest, name: 'discovery-2026.11.1', files: { kernel, initrd: big } };
  await call('putImage', { params: { image: newer.name }, body: newer });
  await coming;
  await relay.kill();
  expect(existsSync(join(folder, big.sha256))).toBe(false);
  expect(readdirSync(folder).some((name) => name.startsWith('part-'))).toBe(true);
  const again = await startRelayProcess(daemon(), relay.directory, undefined);
  relays.push(again);
  const sha = (body: Buffer) => createHash('sha256').update(body).digest('hex');
  expect(sha((await get(`${again.bootUrl}/files/${big.sha256}`)).body)).toBe(big.sha256);
  expect(readdirSync(folder).filter((name) => name.startsWith('part-'))).toEqual([]);
  const flipped = readFileSync(join(folder, kernel.sha256));
  flipped[50_000]! ^= 4;
  writeFileSync(join(folder, kernel.sha256), flipped);
  expect(sha((await get(`${again.bootUrl}/files/${kernel.sha256}`)).body)).toBe(kernel.sha256);
  await again.kill('SIGTERM');
}, 120_000);
