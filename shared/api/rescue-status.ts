import { z } from 'zod';
import { time } from './row.ts';

/** A rescue that is open. */
export const rescueStatus = z.object({
  operator: z.string().describe('Who is let in'),
  fingerprint: z.string().describe('Of his key'),
  by: z.string(),
  reason: z.string(),
  at: time,
  until: time,
  host: z
    .object({ address: z.string(), fingerprint: z.string().describe("Of the SSH server's key") })
    .optional()
    .describe('Where the machine waits for him, once it does'),
});
export type RescueStatus = z.infer<typeof rescueStatus>;

export const onceTarget = z.enum(['local', 'discovery']);

/** The way of one boot that a person asked for. */
export const onceStatus = z.object({
  target: onceTarget,
  by: z.string(),
  reason: z.string(),
  at: time,
  until: time,
});
export type OnceStatus = z.infer<typeof onceStatus>;
