import { z } from 'zod';
import { name } from '../sections/name.ts';
import { outage } from './outage.ts';
import { asOf, page, pageQuery, row, writeQuery } from './row.ts';

const text = z.string().max(500);
const query = z.strictObject(pageQuery);
const dry = writeQuery.pick({ dry_run: true });
const done = z.object({ deleted: z.boolean() });

const siteBody = z.strictObject({ description: text.optional() });
export const site = siteBody.extend({
  name,
  unreachable: outage.optional().describe('It fell silent as a whole'),
});
const rackBody = z.strictObject({
  height: z.int().min(1).max(100),
  descending: z.boolean().optional().describe('Unit 1 is the uppermost'),
  room: name.optional().describe('Room of the site'),
  row: name.optional().describe('Row of the room'),
  position: z.int().min(0).max(1000).optional().describe('Place within the row'),
  description: text.optional(),
});
export const rack = rackBody.extend({ site: name, name });
const roleBody = z.strictObject({ description: text.optional() });
export const role = roleBody.extend({ name });

const ip = z.union([z.ipv4(), z.ipv6()]);
const networkBody = z.strictObject({
  cidr: z.union([z.cidrv4(), z.cidrv6()]).describe('Address range, without host bits'),
  vlan: z.int().min(1).max(4094).optional(),
  gateway: ip.optional(),
  dns: z.array(ip).max(8).optional(),
  domain: z.string().max(253).optional(),
  reserved: z
    .array(z.strictObject({ first: ip, last: ip, reason: text.optional() }))
    .max(1000)
    .optional()
    .describe('Ranges that are never given out'),
  description: text.optional(),
});
/** Which of the networks of one name: the fleet's, a site's or a rack's. */
const scope = {
  site: name.optional().describe("The site's own network of this name"),
  rack: name.optional().describe("The rack's own network of this name; give its site, too"),
};
export const network = networkBody.extend({ name, ...scope });
export const allocation = z.object({
  address: z.string(),
  network: z.string(),
  site: z.string().optional().describe("Of the network, where it is a site's or a rack's"),
  rack: z.string().optional(),
  node: z.string().optional(),
  interface: z.string(),
  label: z.string(),
  state: z.enum(['active', 'orphan', 'quarantined']),
  since: z.string(),
  until: z.string().optional(),
});

const siteParam = z.strictObject({ site: name });
const rackParam = z.strictObject({ site: name, rack: name });
const roleParam = z.strictObject({ role: name });
const networkParam = z.strictObject({ network: name });

export const placeRows = {
  listSites: row({ method: 'GET', path: '/v1/sites', summary: 'List sites', scope: 'read', query, reply: page(site) }),
  putSite: row({
    method: 'PUT',
    path: '/v1/sites/{site}',
    summary: 'Make or change a site',
    scope: 'write',
    params: siteParam,
    query: dry,
    body: siteBody,
    reply: site,
  }),
  deleteSite: row({
    method: 'DELETE',
    path: '/v1/sites/{site}',
    summary: 'Delete an empty site',
    scope: 'write',
    params: siteParam,
    query: dry,
    reply: done,
  }),
  listRacks: row({
    method: 'GET',
    path: '/v1/racks',
    summary: 'List racks',
    scope: 'read',
    query: query.extend({ site: name.optional(), name: name.optional().describe('Racks of this name'), as_of: asOf }),
    reply: page(rack),
  }),
  putRack: row({
    method: 'PUT',
    path: '/v1/racks/{site}/{rack}',
    summary: 'Make or change a rack',
    scope: 'write',
    params: rackParam,
    query: dry,
    body: rackBody,
    reply: rack,
  }),
  deleteRack: row({
    method: 'DELETE',
    path: '/v1/racks/{site}/{rack}',
    summary: 'Delete an empty rack',
    scope: 'write',
    params: rackParam,
    query: dry,
    reply: done,
  }),
  listRoles: row({ method: 'GET', path: '/v1/roles', summary: 'List roles', scope: 'read', query, reply: page(role) }),
  putRole: row({
    method: 'PUT',
    path: '/v1/roles/{role}',
    summary: 'Make or change a role',
    scope: 'write',
    params: roleParam,
    query: dry,
    body: roleBody,
    reply: role,
  }),
  deleteRole: row({
    method: 'DELETE',
    path: '/v1/roles/{role}',
    summary: 'Delete a role that no node has',
    scope: 'write',
    params: roleParam,
    query: dry,
    reply: done,
  }),
  listNetworks: row({
    method: 'GET',
    path: '/v1/networks',
    summary: 'List networks',
    scope: 'read',
    query,
    reply: page(network),
  }),
  putNetwork: row({
    method: 'PUT',
    path: '/v1/networks/{network}',
    summary: 'Make or change a network: of the fleet, or nearer to the nodes of a site or rack',
    scope: 'write',
    params: networkParam,
    query: writeQuery.extend(scope),
    body: networkBody,
    reply: network.extend({ affected: z.int().describe('Nodes whose wanted state changes') }),
  }),
  deleteNetwork: row({
    method: 'DELETE',
    path: '/v1/networks/{network}',
    summary: 'Delete a network without allocations',
    scope: 'write',
    params: networkParam,
    query: dry.extend(scope),
    reply: done,
  }),
  listAllocations: row({
    method: 'GET',
    path: '/v1/networks/{network}/allocations',
    summary: 'Addresses given out, of all networks of this name or of one',
    scope: 'read',
    params: networkParam,
    query: query.extend(scope),
    reply: page(allocation),
  }),
  releaseAllocation: row({
    method: 'DELETE',
    path: '/v1/networks/{network}/allocations/{address}',
    summary: 'Release an orphaned address into quarantine',
    scope: 'write',
    params: networkParam.extend({ address: ip }),
    query: dry.extend({ force: z.stringbool().optional().describe('Also while the node still reports it') }),
    reply: allocation,
  }),
};
