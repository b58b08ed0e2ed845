import { afterAll, expect, test } from 'vitest';
import { buildServer } from '../http/server.ts';
import { createJoinToken } from '../trust/join-token.ts';
import { assertionOf, claimOf, machine, withTrust } from '../trust/testing/machine.ts';
import { carry } from './carry.ts';

const trust = await withTrust();
const { context, db } = trust;
Object.assign(context, { metrics: { problem: () => undefined } });
const server = await buildServer(context, undefined);
afterAll(() => server.close());
await db
  .insertInto('site')
  .values(['ams1', 'lon1'].map((name) => ({ name, description: null })))
  .execute();

/** What the relay of a site is answered when it carries a request. */
async function carried(site: string, line: string, body: unknown, headers: Record<string, string> = {}) {
  const [method = '', path = ''] = line.split(' ');
  const bytes = Buffer.from(body === undefined ? '' : JSON.stringify(body));
  const reply = await carry(server, context, site, { method, path, headers, remote: '192.0.2.7' }, bytes);
  return { status: reply.head.status, ...JSON.parse(reply.body.toString()) };
}

test('a node of another site is one that does not exist, whatever else is in the URL', async () => {
  const subject = machine();
  const { node } = await trust.enrol(subject);
  await db.updateTable('node_now').set({ site: 'lon1' }).where('node', '=', node).execute();
  const token = () => ({
    ...{ grant_type: 'client_credentials', client_assertion: assertionOf(subject, node, trust.nonce()) },
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
  });
  const absent = { status: 404, detail: `there is no node ${node} at the site of this relay` };
  for (const line of ['POST /v1/token', 'POST /v1/token?x=1']) {
    expect(await carried('ams1', line, token())).toMatchObject(absent);
    expect(await carried('lon1', line, token())).toMatchObject({ status: 200, token_type: 'Bearer' });
  }
  const authorization = await trust.login(subject, node);
  expect(await carried('ams1', 'GET /v1/self', undefined, { authorization })).toMatchObject(absent);
});

test('a claim by a machine of another site leaves nothing behind; one of this site, or of none, is taken', async () => {
  const [subject, newcomer] = [machine(), machine()];
  const { node } = await trust.enrol(subject);
  await db.updateTable('node_now').set({ site: 'lon1' }).where('node', '=', node).execute();
  const kept = async () => ({
    keys: await db.selectFrom('node_key').select(['fingerprint', 'status']).orderBy('fingerprint').execute(),
    nonces: await db.selectFrom('nonce_use').select('nonce').orderBy('nonce').execute(),
    events: await db.selectFrom('event').select(['seq', 'kind']).orderBy('seq').execute(),
  });
  const before = await kept();
  // It has a new key, as after each start of the discovery image.
  const again = () => claimOf({ ...machine(), hardware: subject.hardware }, { nonce: trust.nonce() });
  const absent = { status: 404, detail: `there is no node ${node} at the site of this relay` };
  expect(await carried('ams1', 'POST /v1/enrol', again())).toMatchObject(absent);
  expect(await kept()).toEqual(before);
  expect(await carried('lon1', 'POST /v1/enrol', again())).toMatchObject({ node, status: 'pending' });
  const claim = claimOf(newcomer, { nonce: trust.nonce() });
  expect(await carried('ams1', 'POST /v1/enrol', claim)).toMatchObject({ state: 'discovered' });
});

test('a claim whose token gives another site than its relay has is refused, and takes no use of the token', async () => {
  const { token: joinToken, id } = await createJoinToken(db, { uses: 1, expiresInS: 3600, by: 'ann', site: 'lon1' });
  const subject = machine();
  const claim = () => claimOf(subject, { nonce: trust.nonce(), joinToken });
  const refused = { status: 404, detail: expect.stringMatching(/^there is no node \S+ at the site of this relay$/) };
  expect(await carried('ams1', 'POST /v1/enrol', claim())).toMatchObject(refused);
  const keys = db.selectFrom('node_key').select('node').where('fingerprint', '=', subject.fingerprint);
  expect(await keys.execute()).toEqual([]);
  const left = db.selectFrom('join_token').select('uses_left').where('id', '=', id);
  expect(await left.execute()).toEqual([{ uses_left: 1 }]);
  expect(await carried('lon1', 'POST /v1/enrol', claim())).toMatchObject({ status: 'approved' });
});

test('a relay carries what agents ask, and no request of an operator', async () => {
  for (const line of ['GET /v1/nodes', 'POST /v1/nodes/x/approve', 'GET /v1/relays', 'GET /v1/self/../nodes'])
    expect(await carried('ams1', line, {})).toMatchObject({ status: 404, detail: `a relay carries no ${line}` });
});
