import { z } from 'zod';
import { parseSshKey } from '../ssh-key.ts';
import { set, text } from './fields.ts';
import { name } from './name.ts';
import { recordOf } from './record.ts';

const user = z
  .string()
  .regex(/^[a-z_][a-z0-9_.-]{0,31}$/, 'name a user with lower-case letters, digits, ".", "_" and "-", at most 32');

const publicKey = z
  .string()
  .max(16384)
  .refine((value) => !/[\r\n\0]/.test(value), { error: 'a public key is one line', abort: true })
  .refine((value) => parseSshKey(value) !== undefined, 'not a public key: write "ssh-ed25519 AAAA... comment"');

const rootLogin = z.enum(['yes', 'no', 'prohibit-password', 'forced-commands-only']);

const settings = {
  password_authentication: z.boolean().optional().describe('Whether passwords are accepted'),
  permit_root_login: rootLogin.optional().describe('How root may log in'),
};

const intended = z.strictObject({
  ...settings,
  host_certificate: z
    .boolean()
    .optional()
    .describe("Whether the host key is certified by MachineDB's SSH host CA (see ssh-ca show)"),
  authorized_keys: recordOf(user, recordOf(name, publicKey))
    .optional()
    .describe('User → label → public key in one line'),
});

/** What resolve makes of the intent: keys by their fingerprint, as the machine reports them. */
const wanted = z.strictObject({
  ...settings,
  host_certificate: z
    .strictObject({ ca: text, principals: set })
    .optional()
    .describe('Fingerprint of the CA, and the names and addresses it vouches for'),
  authorized_keys: z.record(user, z.record(text, z.strictObject({}))).optional(),
});

/** The SSH server: its identity, who may log in, and how. */
export const ssh = {
  observed: z.looseObject({
    host_keys: z
      .record(text, z.looseObject({ type: text.optional() }))
      .optional()
      .describe('Fingerprint (SHA256:...) → key'),
    password_authentication: z.boolean().optional(),
    host_certificate: z
      .looseObject({ ca: text.optional(), principals: set.optional(), valid_before: text.optional() })
      .optional()
      .describe('Of the ed25519 host key'),
    pubkey_authentication: z.boolean().optional(),
    permit_root_login: text.optional(),
    ports: set.optional(),
    authorized_keys: z
      .record(text, z.record(text, z.looseObject({ type: text.optional(), comment: text.optional() })))
      .optional()
      .describe('User → fingerprint → key, of root and of users that the agent keeps keys for'),
  }),
  intended,
  wanted,
};
export type Ssh = z.infer<typeof ssh.observed>;
export type SshIntended = z.infer<typeof intended>;
export type SshWanted = z.infer<typeof wanted>;
