import { z } from 'zod';
import { time } from './row.ts';

/** One thing that happened: an event, or a revision of a section. */
export const feedItem = z.object({
  cursor: z.string(),
  at: time,
  type: z.enum(['revision', 'event']),
  subject: z.string(),
  kind: z.string().describe('Event kind; for a revision its side'),
  section: z.string().optional(),
  source: z.string().optional(),
  actor: z.string(),
  reason: z.string().optional(),
  data: z.unknown().optional(),
});
export type FeedItem = z.infer<typeof feedItem>;
