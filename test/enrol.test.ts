import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeAssertion, makeClaim, openIdentity } from '../agent/client/identity.ts';
import { openSession } from '../agent/client/session.ts';
import { startHarness } from './harness.ts';

test('a machine enrols, is approved and revoked through two daemons in turn, across a rotation', async () => {
  const harness = await startHarness();
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-enrol-'));
  const { call } = harness;
  try {
    const hardware = {
      serial: 'E1',
      uuid: crypto.randomUUID(),
      macs: ['b0:7b:25:00:00:01'],
      from_the_future: { a: 1 },
    };
    const identity = openIdentity(directory, hardware);
    const nonce = async () => (await call('getNonce', {})).nonce;
    const claim = { nonce: await nonce(), hardware, bootId: 'boot-1' };
    const enrolled = await call('enrol', { body: makeClaim(identity, claim) });
    expect(enrolled).toMatchObject({ status: 'pending', fingerprint: identity.fingerprint });
    expect(await call('enrol', { body: makeClaim(identity, claim) })).toEqual(enrolled);

    const login = async () =>
      await call('getToken', {
        body: {
          grant_type: 'client_credentials',
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion: makeAssertion(identity, enrolled.node, await nonce()),
        },
      });
    /** What ends a session that begins now, on the first daemon. */
    const sessionEnd = async () => {
      const { promise, resolve } = Promise.withResolvers<string>();
      const [{ url, pins }] = harness.daemons;
      const server = { url: new URL(url), pins: () => pins, clock: Date.now };
      const token = (await login()).access_token;
      await openSession(server, token, { message: () => {}, end: ({ message }) => resolve(message) });
      return { promise };
    };
    expect((await login()).trust.pins).toEqual(harness.daemons[0].pins);
    const unapproved = await sessionEnd();
    const approval = {
      params: { node: enrolled.node },
      body: { fingerprint: identity.fingerprint, reason: 'console' },
    };
    expect((await call('approveNode', approval)).node).toMatchObject({ state: 'approved', level: 'approved' });
    // At once, and not when the token is looked at anyway: a person waits for what the node does now.
    const ended = expect.stringContaining('the token is no longer valid');
    expect(await Promise.race([unapproved.promise, seconds(10)])).toEqual(ended);

    await call('rotateCa', { body: { reason: 'test' } });
    for (const { client } of harness.daemons) {
      const certificates = async () => (await client.call('getTrust', {})).certificates.length;
      await expect.poll(certificates, { timeout: 3000 }).toBe(2);
    }
    expect((await login()).trust.pins).toHaveLength(2);
    expect((await call('getCa', {})).items.map(({ status }) => status)).toEqual(['current', 'valid']);

    const approved = await sessionEnd();
    await call('revokeNode', { params: { node: enrolled.node }, body: { reason: 'stolen' } });
    expect(await Promise.race([approved.promise, seconds(10)])).toEqual(ended);
    const again = makeClaim(identity, { ...claim, nonce: await nonce() });
    await expect(call('enrol', { body: again })).rejects.toMatchObject({ status: 403, code: 'forbidden' });
    await expect(login()).rejects.toMatchObject({ status: 401, code: 'unauthenticated' });
  } finally {
    await harness.close();
    rmSync(directory, { recursive: true });
  }
});

const seconds = (count: number) => new Promise<string>((resolve) => setTimeout(resolve, count * 1000, `${count} s`));
