import { z } from 'zod';
import { time } from './row.ts';

export const installPhase = z.enum(['started', 'writing', 'verifying', 'handing_over', 'installed', 'failed']);
export type InstallPhase = z.infer<typeof installPhase>;

/** An install that a person asked for, and how far it is. */
export const installStatus = z.object({
  generation: z.int().describe('Which request of this node it is'),
  image: z.string(),
  wipe: z.boolean(),
  by: z.string(),
  reason: z.string(),
  at: time,
  pending: z.boolean().describe('The disk may be written'),
  progress: z
    .object({
      phase: installPhase,
      percent: z.int().optional(),
      disk: z.string().optional(),
      message: z.string().optional(),
      attempts: z.int().describe('How often it was begun'),
      at: time,
    })
    .optional(),
});
export type InstallStatus = z.infer<typeof installStatus>;
