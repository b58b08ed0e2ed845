import type { Unresolvable } from './resolve.ts';
import type { SshIntended, SshWanted } from './sections/ssh.ts';
import { parseSshKey } from './ssh-key.ts';

/** What an SSH server is set to unless the intent says otherwise; docs/decisions.md says why. */
const hardened = {
  password_authentication: false,
  kbd_interactive_authentication: false,
  x11_forwarding: false,
  max_auth_tries: 4,
  login_grace_time_s: 30,
} satisfies SshWanted;

export interface SshInput {
  intended: SshIntended | undefined;
  /** What the machine reported of its section. */
  observed: unknown;
  /** Fingerprint of the CA of host keys. */
  ca: string | undefined;
  /** Names and addresses of the node, for its host certificate. */
  names: string[];
}

/** The SSH server that is wanted: hardened, with keys by fingerprint. A key that is none is told in `problems`. */
export function resolveSsh(
  { intended, observed, ca, names }: SshInput,
  problems: Unresolvable[],
): SshWanted | undefined {
  if (intended === undefined) return undefined;
  const { authorized_keys = {}, host_certificate, trusted_user_ca = {}, principals = {}, ...settings } = intended;
  const fingerprints = (keys: Record<string, string>, path: string) =>
    Object.fromEntries(
      Object.entries(keys).flatMap(([label, line]) => {
        const fingerprint = parseSshKey(line)?.fingerprint;
        if (fingerprint === undefined)
          problems.push({ section: 'ssh', path: `${path}/${label}`, message: 'this is not an SSH public key' });
        return fingerprint === undefined ? [] : [[fingerprint, {}]];
      }),
    );
  const users = Object.entries(authorized_keys)
    .map(([user, keys]) => [user, fingerprints(keys, `/authorized_keys/${user}`)] as const)
    // A user without keys of ours is one that the agent does not keep keys for.
    .filter(([, keys]) => Object.keys(keys).length > 0);
  const certified = host_certificate === true && ca !== undefined && names.length > 0;
  const opensRoot = users.some(([user]) => user === 'root') || principals.root !== undefined;
  return {
    ...defaultsFor(observed, opensRoot),
    ...settings,
    ...(certified && { host_certificate: { ca, principals: Object.fromEntries(names.map((name) => [name, true])) } }),
    ...(users.length > 0 && { authorized_keys: Object.fromEntries(users) }),
    ...(Object.keys(trusted_user_ca).length > 0 && {
      trusted_user_ca: fingerprints(trusted_user_ca, '/trusted_user_ca'),
    }),
    ...(Object.keys(principals).length > 0 && { principals }),
  };
}

/** Keys of users and CAs by their fingerprint, in one line each. */
export function sshMaterial({ authorized_keys = {}, trusted_user_ca = {} }: SshIntended = {}): Record<string, string> {
  const lines = [...Object.values(authorized_keys), trusted_user_ca].flatMap((keys) => Object.values(keys));
  return Object.fromEntries(
    lines.flatMap((line) => {
      const fingerprint = parseSshKey(line)?.fingerprint;
      return fingerprint === undefined ? [] : [[fingerprint, line.trim()]];
    }),
  );
}

/** A machine whose agent does not report a setting, being older, could not be told from one that lacks it. */
function defaultsFor(observed: unknown, opensRoot: boolean): SshWanted {
  const defaults = { ...hardened, permit_root_login: opensRoot ? 'prohibit-password' : 'no' } satisfies SshWanted;
  if (observed === undefined) return defaults;
  return Object.fromEntries(Object.entries(defaults).filter(([key]) => key in (observed as object)));
}
