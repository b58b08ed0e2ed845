import { z } from 'zod';

/** What the agent may do: look (`observe`), say what it would do (`plan`), or do it (`enforce`). */
export const mode = { intended: z.strictObject({ mode: z.enum(['observe', 'plan', 'enforce']) }) };
export type Mode = z.infer<typeof mode.intended>;
