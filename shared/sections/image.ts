import { z } from 'zod';
import { name } from './name.ts';

/** The golden image that should be on the machine. A difference is a finding; nothing is installed because of it. */
export const image = { intended: z.strictObject({ name: name.describe('Name of the image') }) };
export type Image = z.infer<typeof image.intended>;
