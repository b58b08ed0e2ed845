import { expect, test } from 'vitest';
import { withIntents } from '../testing/intents.ts';

const { ask, node, report, now } = await withIntents();
const ports = { a: { name: 'eth0' }, b: { name: 'eth1' }, c: { name: 'eth2' } };
const explained = async (id: string) => {
  const { explain = [] } = await ask('getNodeIntent', { params: { node: id }, query: { explain: true } });
  return explain.filter(({ path }) => path.endsWith('/network'));
};
const put = (network: string, query: object, cidr: string) =>
  ask('putNetwork', { params: { network }, query, body: { cidr } });

test('explain shows for each address the layer that asks, and the network that gives', async () => {
  await put('lan', {}, '10.70.0.0/24');
  await put('lan', { site: 'ber', rack: 'r1' }, '10.70.1.0/24');
  await put('bmc', { site: 'ber' }, '10.71.0.0/24');
  const to = (addresses: object) => ({ addresses: { primary: addresses } });
  await ask('putFleetIntent', {
    params: { section: 'network' },
    body: { interfaces: { eth0: to({ network: 'lan' }), eth1: to({ network: 'bmc', by: 'unit', offset: 10 }) } },
  });
  const id = await node({ nics: ports });
  const eth0 = { path: '/network/interfaces/eth0/addresses/primary/network', layer: 'fleet', overrides: [] };
  const eth1 = { path: '/network/interfaces/eth1/addresses/primary/network', layer: 'fleet', overrides: [] };
  const nowhere = `network bmc is there for site ber, and node ${id} has no place: place it there, and it gets an address`;
  expect(await explained(id)).toEqual([
    { ...eth0, value: 'lan', gives: { address: '10.70.0.1', network: 'lan', cidr: '10.70.0.0/24', how: 'free' } },
    { ...eth1, value: 'bmc', gives: { network: 'bmc', how: 'unit', problem: nowhere } },
  ]);

  const body = { interfaces: { eth2: to({ network: 'mgmt', address: '10.1.0.9' }) } };
  await ask('putRackIntent', { params: { site: 'ber', rack: 'r1', section: 'network' }, body });
  await ask('assignNode', { params: { node: id }, body: { site: 'ber', rack: 'r1', unit: 4, reason: 'test' } });
  const rack = { site: 'ber', rack: 'r1' };
  expect(await explained(id)).toEqual([
    {
      ...eth0,
      value: 'lan',
      gives: { address: '10.70.1.1', network: 'lan', ...rack, cidr: '10.70.1.0/24', how: 'free' },
    },
    {
      ...eth1,
      value: 'bmc',
      gives: { address: '10.71.0.14', network: 'bmc', site: 'ber', cidr: '10.71.0.0/24', how: 'unit' },
    },
    {
      path: '/network/interfaces/eth2/addresses/primary/network',
      value: 'mgmt',
      layer: 'rack/ber:r1',
      overrides: [],
      gives: { address: '10.1.0.9', network: 'mgmt', cidr: '10.1.0.0/24', how: 'given' },
    },
  ]);

  // What is asked of a time in the past is explained without what is held now.
  const as_of = new Date().toISOString();
  const past = await ask('getNodeIntent', { params: { node: id }, query: { explain: true, as_of } });
  expect(past.explain?.filter(({ gives }) => gives !== undefined)).toEqual([]);
});

test('a new machine reports, whatever the fleet is to have of networks that are in sites only', async () => {
  const id = await node({});
  await report(id, { nics: ports, hostname: { hostname: 'new' } });
  expect(await now(id)).toMatchObject({ observed_name: 'new', wanted: {} });
});
