import { z } from 'zod';

/** A name of a row (site, rack, role, network, tag, label): what people type, safe in a URL, a file name and a shell. */
export const name = z
  .string()
  .max(63)
  .regex(
    /^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/,
    'use lower-case letters, digits, ".", "_" and "-", at most 63, a letter or digit at both ends',
  );
