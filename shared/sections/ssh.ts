import { z } from 'zod';
import { parseSshKey } from '../ssh-key.ts';
import { set, text } from './fields.ts';
import { name } from './name.ts';
import { recordOf } from './record.ts';

const user = z
  .string()
  .regex(/^[a-z_][a-z0-9_.-]{0,31}$/, 'name a user with lower-case letters, digits, ".", "_" and "-", at most 32');

/** A public key in OpenSSH's one-line form. */
export const publicKey = z
  .string()
  .max(16384)
  .refine((value) => !/[\r\n\0]/.test(value), { error: 'a public key is one line', abort: true })
  .refine((value) => parseSshKey(value) !== undefined, 'not a public key: write "ssh-ed25519 AAAA... comment"');

const principal = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9@._:+-]{0,127}$/,
    'a principal is letters, digits, "@", ".", "_", ":", "+" and "-", at most 128',
  );

const caKey = publicKey.refine(
  (value) => !value.includes('-cert-v0'),
  'this is a certificate: write the key of the CA',
);

const rootLogin = z.enum(['yes', 'no', 'prohibit-password', 'forced-commands-only']);

const settings = {
  password_authentication: z.boolean().optional().describe('Whether passwords are accepted; false when absent'),
  kbd_interactive_authentication: z
    .boolean()
    .optional()
    .describe('Whether PAM may ask questions, a password among them; false when absent'),
  permit_root_login: rootLogin
    .optional()
    .describe('How root may log in; when absent prohibit-password where root has intended keys or principals, else no'),
  x11_forwarding: z.boolean().optional().describe('false when absent'),
  max_auth_tries: z.int().min(1).max(100).optional().describe('Attempts of a connection; 4 when absent'),
  login_grace_time_s: z.int().min(5).max(600).optional().describe('Time to log in, seconds; 30 when absent'),
};

const intended = z
  .strictObject({
    ...settings,
    host_certificate: z
      .boolean()
      .optional()
      .describe("Whether the host key is certified by MachineDB's SSH host CA (see ssh-ca show)"),
    authorized_keys: recordOf(user, recordOf(name, publicKey))
      .optional()
      .describe('User → label → public key in one line'),
    trusted_user_ca: recordOf(name, caKey)
      .optional()
      .describe(
        "Label → public key of a CA whose certificates open the users that they name, or those of 'principals'",
      ),
    principals: recordOf(
      user,
      recordOf(principal, z.literal(true)).refine(
        (value) => Object.keys(value).length > 0,
        'a user has at least one principal',
      ),
    )
      .optional()
      .describe(
        'User → name in a certificate → true. Once one user has any, a user without is opened by no certificate',
      ),
  })
  .refine(
    ({ principals = {}, trusted_user_ca = {} }) =>
      Object.keys(principals).length === 0 || Object.keys(trusted_user_ca).length > 0,
    { path: ['principals'], message: 'principals are names in certificates of a CA: intend trusted_user_ca, too' },
  );

/** What resolve makes of the intent: keys by their fingerprint, as the machine reports them. */
const wanted = z.strictObject({
  ...settings,
  host_certificate: z
    .strictObject({ ca: text, principals: set })
    .optional()
    .describe('Fingerprint of the CA, and the names and addresses it vouches for'),
  authorized_keys: z.record(user, z.record(text, z.strictObject({}))).optional(),
  trusted_user_ca: z.record(text, z.strictObject({})).optional(),
  principals: z.record(user, set).optional(),
});

/** The SSH server: its identity, who may log in, and how. */
export const ssh = {
  observed: z.looseObject({
    host_keys: z
      .record(text, z.looseObject({ type: text.optional() }))
      .optional()
      .describe('Fingerprint (SHA256:...) → key'),
    password_authentication: z.boolean().optional(),
    kbd_interactive_authentication: z.boolean().optional(),
    x11_forwarding: z.boolean().optional(),
    max_auth_tries: z.int().optional(),
    login_grace_time_s: z.int().optional(),
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
    trusted_user_ca: z
      .record(text, z.looseObject({ type: text.optional(), comment: text.optional() }))
      .optional()
      .describe('Fingerprint → key of a CA of user certificates'),
    principals: z.record(text, set).optional().describe('User → names in certificates that open it'),
  }),
  intended,
  wanted,
};
export type Ssh = z.infer<typeof ssh.observed>;
export type SshIntended = z.infer<typeof intended>;
export type SshWanted = z.infer<typeof wanted>;
