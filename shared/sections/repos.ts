import { z } from 'zod';
import { set, text } from './fields.ts';
import { recordOf } from './record.ts';

const word = (what: string) =>
  z
    .string()
    .max(1024)
    .regex(/^[^\s\p{Cc}[\]#]+$/u, `${what} is one word without blanks, "[", "]" and "#"`);

const uri = word('a URI')
  .regex(/^[a-z][a-z0-9+.-]*:/, 'a URI begins with its scheme: https://...')
  .refine((value) => !/^[a-z0-9+.-]+:\/\/[^/]*@/.test(value), 'credentials belong in no URI: use apt_auth.conf(5)');

const repositoryName = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$/, 'name a repository with letters, digits, ".", "_" and "-", at most 64');

const repository = z
  .strictObject({
    types: z
      .strictObject({ deb: z.literal(true).optional(), 'deb-src': z.literal(true).optional() })
      .optional()
      .describe('deb and deb-src → true; {"deb": true} when absent'),
    uris: recordOf(uri, z.literal(true)).describe('URI → true'),
    suites: recordOf(word('a suite'), z.literal(true)).describe('Suite → true: {"bookworm": true}'),
    components: recordOf(word('a component'), z.literal(true)).optional().describe('Component → true: {"main": true}'),
    enabled: z.boolean().optional().describe('true when absent'),
    signed_by: z
      .string()
      .max(1024)
      .regex(/^\/[^\s\p{Cc}]*$/u, 'signed_by is the absolute path of a keyring, without blanks')
      .optional(),
    key: z
      .string()
      .max(100_000)
      .regex(
        /^-----BEGIN PGP PUBLIC KEY BLOCK-----\n[A-Za-z0-9+/=:.,\s()-]*-----END PGP PUBLIC KEY BLOCK-----\n?$/,
        'a key is an armoured OpenPGP public key block',
      )
      .optional()
      .describe('The key that signs it; it gets a keyring of its own, and signed_by names that'),
  })
  .refine((value) => Object.keys(value.uris).length > 0, {
    path: ['uris'],
    message: 'a repository has at least one URI',
  })
  .refine((value) => Object.keys(value.suites).length > 0, {
    path: ['suites'],
    message: 'a repository has at least one suite',
  })
  .refine(({ key, signed_by }) => key === undefined || signed_by === undefined, {
    path: ['key'],
    message: 'a repository has a key or names a keyring (signed_by), not both',
  });

/** Package sources. One name is one source: with APT, /etc/apt/sources.list.d/<name>.sources. */
export const repos = {
  observed: z.looseObject({
    apt: z
      .record(
        text,
        z.looseObject({
          types: set.optional(),
          uris: set.optional().describe('Credentials are masked'),
          suites: set.optional(),
          components: set.optional(),
          enabled: z.boolean().optional(),
          signed_by: text.optional().describe('Keyrings or fingerprints; a key in the file itself is its SHA-256'),
        }),
      )
      .optional(),
  }),
  intended: z.strictObject({
    apt: recordOf(repositoryName, repository).optional().describe('Name → repository'),
  }),
};
/** Where the key of a repository that brings it is kept. */
export const keyringOf = (repositoryName: string) => `/etc/apt/keyrings/machinedb-${repositoryName}.asc`;

export type Repos = z.infer<typeof repos.observed>;
export type ReposIntended = z.infer<typeof repos.intended>;
