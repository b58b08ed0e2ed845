import { z } from 'zod';
import { name } from '../sections/name.ts';
import { feedName } from '../sections/placement.ts';
import { page, pageQuery, row, writeQuery } from './row.ts';

const dry = writeQuery.pick({ dry_run: true });
const done = z.object({ deleted: z.boolean() });
const watts = z.int().min(0).max(100_000_000);

const feedBody = z.strictObject({
  rating_w: watts.min(1).describe('Watts it may carry'),
  upstream: feedName
    .optional()
    .describe("The feed that it hangs on: its rack's own of this name, else its site's (as A of the rack on ups-1)"),
  pdu: name.optional().describe('The PDU (a device of the site) that it is'),
});
const rackOf = { rack: name.optional().describe("The rack's feed of this name; absent: the site's own") };
const feed = feedBody.extend({ site: name, ...rackOf, name: feedName });
const feedParam = z.strictObject({ site: name, feed: feedName });

const model = z.string().trim().min(1).max(200);
const nameplateBody = z.strictObject({
  draw_w: z.int().min(0).max(1_000_000).describe('Watts that a machine of the model draws'),
  description: z.string().max(500).optional(),
});
const nameplate = nameplateBody.extend({ model });
const modelParam = z.strictObject({ model });

const load = z.object({
  feed: z.string().describe('NAME of the site, or RACK/NAME'),
  rating_w: z.int(),
  load_w: z.int().describe('While all feeds are alive'),
  after_w: z.int().describe('With the feeds that fail'),
  dead: z.boolean(),
  over: z.boolean().describe('after_w is above the rating'),
});
const consumer = z.object({
  name: z.string(),
  node: z.string().optional(),
  rack: z.string(),
  unit: z.int().optional(),
  draw_w: z.int().optional(),
});
const power = z.object({
  fail: z.array(z.string()),
  dark: z.array(consumer).describe('What has no feed left'),
  feeds: z.array(load),
  unknown: z.array(consumer).describe('Nobody knows what they draw: counted as nothing'),
});
export type Power = z.infer<typeof power>;
export type Consumer = z.infer<typeof consumer>;

export const powerRows = {
  listFeeds: row({
    method: 'GET',
    path: '/v1/power-feeds',
    summary: 'List power feeds',
    scope: 'read',
    query: z.strictObject({ ...pageQuery, site: name.optional(), rack: name.optional() }),
    reply: page(feed),
  }),
  putFeed: row({
    method: 'PUT',
    path: '/v1/power-feeds/{site}/{feed}',
    summary: 'Make or change a power feed of a site or a rack',
    scope: 'write',
    params: feedParam,
    query: dry.extend(rackOf),
    body: feedBody,
    reply: feed,
  }),
  deleteFeed: row({
    method: 'DELETE',
    path: '/v1/power-feeds/{site}/{feed}',
    summary: 'Delete a power feed that nothing draws from',
    scope: 'write',
    params: feedParam,
    query: dry.extend(rackOf),
    reply: done,
  }),
  getPower: row({
    method: 'GET',
    path: '/v1/power/{site}',
    summary: 'Load of the feeds of a site or rack; and what goes dark, and what is overloaded, when some fail',
    scope: 'read',
    params: z.strictObject({ site: name }),
    query: z.strictObject({
      rack: name.optional().describe('Tell of this rack, and of what else is touched'),
      fail: z
        .string()
        .max(500)
        .optional()
        .describe("Feeds that fail, separated by commas: the rack's own, else the site's; RACK/NAME of any rack"),
    }),
    reply: power,
  }),
  listNameplates: row({
    method: 'GET',
    path: '/v1/nameplates',
    summary: 'What models draw, as their nameplates say',
    scope: 'read',
    query: z.strictObject(pageQuery),
    reply: page(nameplate),
  }),
  putNameplate: row({
    method: 'PUT',
    path: '/v1/nameplates/{model}',
    summary: 'Say what machines of a model draw',
    scope: 'write',
    params: modelParam,
    query: dry,
    body: nameplateBody,
    reply: nameplate,
  }),
  deleteNameplate: row({
    method: 'DELETE',
    path: '/v1/nameplates/{model}',
    summary: 'Forget what machines of a model draw',
    scope: 'write',
    params: modelParam,
    query: dry,
    reply: done,
  }),
};
