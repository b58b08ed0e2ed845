import { z } from 'zod';
import { text } from './fields.ts';

const label = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?';

/** What the machine calls itself, and what it should. Names are labels as in RFC 1123, in lower case. */
export const hostname = {
  observed: z.looseObject({
    hostname: text.optional().describe("The running kernel's host name"),
    static: text.optional().describe('The name the next boot takes (/etc/hostname)'),
    fqdn: text.optional(),
    domain: text.optional(),
  }),
  intended: z.strictObject({
    hostname: z
      .string()
      .regex(
        new RegExp(`^${label}$`),
        'a hostname is one label: lower-case letters, digits and "-", at most 63, a letter or digit at both ends',
      )
      .optional()
      .describe('First label of the name'),
    domain: z
      .string()
      .max(189, 'a domain has at most 189 characters, so that hostname and domain fit in 253')
      .regex(
        new RegExp(`^${label}(\\.${label})*$`),
        'a domain is labels joined by ".": each lower-case letters, digits and "-", at most 63, a letter or digit at both ends',
      )
      .optional()
      .describe('The rest of the name'),
  }),
};
export type Hostname = z.infer<typeof hostname.observed>;
export type HostnameIntended = z.infer<typeof hostname.intended>;
