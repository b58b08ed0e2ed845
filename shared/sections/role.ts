import { z } from 'zod';
import { name } from './name.ts';

/** What the machine is for: exactly one role. */
export const role = { intended: z.strictObject({ name: name.describe('Name of the role') }) };
export type Role = z.infer<typeof role.intended>;
