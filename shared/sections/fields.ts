import { z } from 'zod';

/** A text that a machine reports: at most 1,024 characters. */
export const text = z.string().max(1024);

/** A whole number that a machine reports, not negative. */
export const count = z.int().min(0);

/** CPUs as the kernel lists them: '0-3,8'; one that is too long ends with ',...'. */
export const cpuList = z.string().max(4096);

/** A set of names, as an object so that a difference names its member: `{"avx2": true}`. */
export const set = z.record(text, z.literal(true));
