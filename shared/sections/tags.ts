import { z } from 'zod';
import { name } from './name.ts';

/** Any tags, keyed by tag so that layers merge; `null` in a narrower layer removes one. */
export const tags = { intended: z.record(name, z.literal(true)).describe('Tag → true') };
export type Tags = z.infer<typeof tags.intended>;
