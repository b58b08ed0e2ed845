import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeAssertion, makeClaim, openIdentity } from '../agent/client/identity.ts';
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
    expect((await login()).trust.pins).toEqual(harness.daemons[0].pins);
    const approval = {
      params: { node: enrolled.node },
      body: { fingerprint: identity.fingerprint, reason: 'console' },
    };
    expect((await call('approveNode', approval)).node).toMatchObject({ state: 'approved', level: 'approved' });

    await call('rotateCa', { body: { reason: 'test' } });
    for (const { client } of harness.daemons) {
      const certificates = async () => (await client.call('getTrust', {})).certificates.length;
      await expect.poll(certificates, { timeout: 3000 }).toBe(2);
    }
    expect((await login()).trust.pins).toHaveLength(2);
    expect((await call('getCa', {})).items.map(({ status }) => status)).toEqual(['current', 'valid']);

    await call('revokeNode', { params: { node: enrolled.node }, body: { reason: 'stolen' } });
    const again = makeClaim(identity, { ...claim, nonce: await nonce() });
    await expect(call('enrol', { body: again })).rejects.toMatchObject({ status: 403, code: 'forbidden' });
    await expect(login()).rejects.toMatchObject({ status: 401, code: 'unauthenticated' });
  } finally {
    await harness.close();
    rmSync(directory, { recursive: true });
  }
});
