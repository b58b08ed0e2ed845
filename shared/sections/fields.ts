import { z } from 'zod';

/** A text that a machine reports: at most 1,024 characters. */
export const text = z.string().max(1024);

/** A whole number that a machine reports, not negative. */
export const count = z.int().min(0);

/** A set of names, as an object so that a difference names its member: `{"avx2": true}`. */
export const set = z.record(text, z.literal(true));
