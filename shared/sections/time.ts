import { z } from 'zod';
import { canonicalIp } from '../ip.ts';
import { text } from './fields.ts';
import { domain } from './network-names.ts';
import { recordOf } from './record.ts';

const MAX_SOURCES = 16;

const source = z
  .string()
  .refine(
    (value) => canonicalIp(value) === value || (domain.safeParse(value).success && !/^[\d.]+$/.test(value)),
    'name a time source by a host name in lower case or by an IP address (IPv6 as RFC 5952 writes it)',
  );

// chrony.conf(5); seconds as a power of 2.
const poll = z.int().min(-7).max(24);

const options = z
  .strictObject({
    iburst: z.boolean().optional().describe('Whether the first requests come fast'),
    minpoll: poll.optional().describe('Least time between requests, as a power of 2 seconds'),
    maxpoll: poll.optional().describe('Most time between requests, as a power of 2 seconds'),
  })
  .refine(({ minpoll = -7, maxpoll = 24 }) => minpoll <= maxpoll, {
    path: ['minpoll'],
    message: 'minpoll is above maxpoll',
  });

const sources = recordOf(source, options).refine(
  (value) => Object.keys(value).length <= MAX_SOURCES,
  `there are at most ${MAX_SOURCES}`,
);

const timezone = z
  .string()
  .max(64)
  .regex(/^(UTC|[A-Z][A-Za-z_]+(\/[A-Z][A-Za-z0-9_+-]*){1,2})$/, {
    error: 'write a time zone as Area/City (Europe/Berlin, America/Argentina/Salta, Etc/UTC), or UTC',
    abort: true,
  })
  .refine(isKnown, 'there is no such time zone');

const intended = z
  .strictObject({
    timezone: timezone.optional(),
    servers: sources
      .optional()
      .describe('NTP server → how it is asked; systemd-timesyncd has no such options, and only takes the name'),
    pools: sources
      .optional()
      .describe('Name that stands for many NTP servers → how they are asked; a server to systemd-timesyncd'),
    only_these: z
      .boolean()
      .optional()
      .describe("Whether the distribution's pool and the sources that DHCP names are not used; false when absent"),
  })
  .refine(({ servers = {}, pools = {}, only_these }) => only_these !== true || members(servers, pools) > 0, {
    path: ['only_these'],
    message: 'without servers and pools no source of time would be left',
  });

const observedSource = z.looseObject({
  file: text.optional().describe('Where it is configured'),
  iburst: z.boolean().optional(),
  minpoll: z.int().optional(),
  maxpoll: z.int().optional(),
});

/** Where the machine has its time from, and its time zone. */
export const time = {
  observed: z.looseObject({
    daemon: z.enum(['chrony', 'timesyncd']).optional().describe('What sets the clock'),
    timezone: text.optional(),
    servers: z.record(text, observedSource).optional(),
    pools: z.record(text, observedSource).optional(),
    only_these: z.boolean().optional().describe('Whether all sources are those that the agent wrote'),
  }),
  intended,
};
export type Time = z.infer<typeof time.observed>;
export type TimeIntended = z.infer<typeof intended>;

const members = (...records: object[]) => records.reduce((sum, record) => sum + Object.keys(record).length, 0);

function isKnown(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).format(0) !== '';
  } catch {
    return false;
  }
}
