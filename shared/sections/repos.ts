import { z } from 'zod';
import { set, text } from './fields.ts';
import { recordOf } from './record.ts';

const wordOf = (what: string) =>
  z
    .string()
    .max(1024)
    .regex(/^[^\s\p{Cc}[\]#]+$/u, `${what} is one word without blanks, "[", "]" and "#"`);

const uri = wordOf('a URI')
  .regex(/^[a-z][a-z0-9+.-]*:/, 'a URI begins with its scheme: https://...')
  .refine((value) => !/^[a-z0-9+.-]+:\/\/[^/]*@/.test(value), 'credentials belong in no URI: use apt_auth.conf(5)');

const repositoryName = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$/, 'name a repository with letters, digits, ".", "_" and "-", at most 64');

const openPgpKey = z
  .string()
  .max(100_000)
  .regex(
    /^-----BEGIN PGP PUBLIC KEY BLOCK-----\n[A-Za-z0-9+/=:.,\s()-]*-----END PGP PUBLIC KEY BLOCK-----\n?$/,
    'a key is an armoured OpenPGP public key block',
  );

const repository = z
  .strictObject({
    types: z
      .strictObject({ deb: z.literal(true).optional(), 'deb-src': z.literal(true).optional() })
      .optional()
      .describe('deb and deb-src → true; {"deb": true} when absent'),
    uris: recordOf(uri, z.literal(true)).describe('URI → true'),
    suites: recordOf(wordOf('a suite'), z.literal(true)).describe('Suite → true: {"bookworm": true}'),
    components: recordOf(wordOf('a component'), z.literal(true))
      .optional()
      .describe('Component → true: {"main": true}'),
    enabled: z.boolean().optional().describe('true when absent'),
    signed_by: z
      .string()
      .max(1024)
      .regex(/^\/[^\s\p{Cc}]*$/u, 'signed_by is the absolute path of a keyring, without blanks')
      .optional(),
    key: openPgpKey
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

const packagePattern = z
  .string()
  .max(256)
  .regex(
    /^(src:)?[a-z0-9*?][a-z0-9+.*?-]*(:[a-z0-9]+)?$/,
    'name a package by lower-case letters, digits, "+", "-" and "." (*, ? and src: as in apt_preferences(5))',
  );

const word = '[A-Za-z0-9._+~:/*?-]+';
const criteria = `[anolcvb]=${word}( ${word})*`;

const pin = z
  .strictObject({
    packages: recordOf(packagePattern, z.literal(true)).describe('Package → true: {"linux-image-*": true}'),
    pin: z
      .string()
      .max(1024)
      .regex(
        new RegExp(`^(release ${criteria}(,${criteria})*|origin [a-zA-Z0-9.-]+|version [A-Za-z0-9.+~:*?-]+)$`),
        'write a pin as apt_preferences(5) does: "release o=Debian,n=bookworm-backports", "origin HOST" or "version 1.2*"',
      ),
    priority: z
      .int()
      .min(-32768)
      .max(32767)
      .refine((value) => value !== 0, 'APT has no priority 0')
      .describe('Below 0: never; 500 is what is not pinned; above 1000: even to downgrade'),
  })
  .refine(({ packages }) => Object.keys(packages).length > 0, {
    path: ['packages'],
    message: 'a pin is about at least one package',
  });

const dnfUri = z
  .string()
  .max(1024)
  .regex(
    /^(https?|ftp|file):\/\/(?![^/]*@)([A-Za-z0-9._~:/?&=%+,@-]|\$[a-z]+)+$/,
    'write a URL (https://...) without credentials; $releasever and the like are as dnf.conf(5) has them',
  );

const dnfRepository = z
  .strictObject({
    baseurl: recordOf(dnfUri, z.literal(true)).optional().describe('URL → true'),
    metalink: dnfUri.optional(),
    mirrorlist: dnfUri.optional(),
    enabled: z.boolean().optional().describe('true when absent'),
    gpgcheck: z.boolean().optional().describe('Whether packages have to be signed; true when absent'),
    repo_gpgcheck: z.boolean().optional().describe('Whether its index has to be signed; false when absent'),
    gpgkey: recordOf(dnfUri, z.literal(true)).optional().describe('URL of a key → true'),
    key: openPgpKey.optional().describe('The key that signs it; it gets a file of its own, and gpgkey names that'),
    priority: z.int().min(1).max(99).optional().describe('The lower one goes before; 99 when absent'),
  })
  .refine(
    ({ baseurl = {}, metalink, mirrorlist }) =>
      Object.keys(baseurl).length > 0 || (metalink ?? mirrorlist) !== undefined,
    { path: ['baseurl'], message: 'a repository has a baseurl, a metalink or a mirrorlist' },
  )
  .refine(({ key, gpgkey }) => key === undefined || gpgkey === undefined, {
    path: ['key'],
    message: 'a repository has a key or says where its keys are (gpgkey), not both',
  });

/** Package sources, and which of their packages go before others. */
export const repos = {
  observed: z.looseObject({
    managers: set.optional().describe('Package managers of the machine: apt, dnf'),
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
    apt_pins: z
      .record(text, z.looseObject({ packages: set.optional(), pin: text.optional(), priority: z.int().optional() }))
      .optional()
      .describe('Name → pin; one that the agent did not write has the name of its file'),
    dnf: z
      .record(
        text,
        z.looseObject({
          file: text.optional().describe('Where it is configured'),
          baseurl: set.optional().describe('Credentials are masked'),
          metalink: text.optional(),
          mirrorlist: text.optional(),
          enabled: z.boolean().optional(),
          gpgcheck: z.boolean().optional(),
          repo_gpgcheck: z.boolean().optional(),
          gpgkey: set.optional(),
          priority: z.int().optional(),
        }),
      )
      .optional()
      .describe('Id → repository'),
  }),
  intended: z.strictObject({
    apt: recordOf(repositoryName, repository)
      .optional()
      .describe('Name → repository: /etc/apt/sources.list.d/NAME.sources'),
    apt_pins: recordOf(repositoryName, pin)
      .optional()
      .describe('Name → which packages go before others: /etc/apt/preferences.d/machinedb-NAME.pref'),
    dnf: recordOf(repositoryName, dnfRepository)
      .refine(
        (value) => !('main' in value),
        'a repository is not called "main": that is the name of the options of dnf',
      )
      .optional()
      .describe('Id → repository: /etc/yum.repos.d/ID.repo'),
  }),
};

/** Where the key of a repository that brings it is kept. */
export const keyringOf = (repositoryName: string) => `/etc/apt/keyrings/machinedb-${repositoryName}.asc`;
export const dnfKeyOf = (repositoryName: string) => `/etc/pki/rpm-gpg/machinedb-${repositoryName}.asc`;

export type Repos = z.infer<typeof repos.observed>;
export type ReposIntended = z.infer<typeof repos.intended>;
