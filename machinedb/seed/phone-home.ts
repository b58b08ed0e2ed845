import { createHash } from 'node:crypto';
import { parseSshKey } from '../../shared/ssh-key.ts';
import type { Db } from '../db.ts';
import { transaction } from '../db.ts';
import { append } from '../feed/feed.ts';
import { Problem } from '../http/problem.ts';
import type { PhonedHome } from '../schema.ts';
import { instanceId } from './documents.ts';
import type { SeedCaller } from './token.ts';

const MOST_FIELDS = 16;
/** What cloud-init says for what it does not know. */
const UNKNOWN = 'N/A';
const keyTypes = { pub_key_rsa: /^ssh-rsa$/, pub_key_ecdsa: /^ecdsa-sha2-nistp\d+$/, pub_key_ed25519: /^ssh-ed25519$/ };
const hostName = /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?$/;

/** What cloud-init told, and of which instance. */
export interface Phoned extends PhonedHome {
  instance: string;
}

/** Reads the form that cloud-init's module phone_home posts. Throws Problem that names the field which is wrong. */
export function parsePhoneHome(text: string): Phoned {
  const form = [...new URLSearchParams(text)];
  if (form.length > MOST_FIELDS) throw new Problem('invalid', `the form has more than ${MOST_FIELDS} fields`);
  const twice = form.find(([field], i) => form.findIndex(([other]) => other === field) !== i);
  if (twice !== undefined)
    throw new Problem('invalid', `the form has the field ${JSON.stringify(twice[0].slice(0, 50))} twice`);
  const given = new Map(
    form.map(([field, value]) => [field, value.trim()]).filter(([, value]) => value !== UNKNOWN) as [string, string][],
  );
  const instance = given.get('instance_id');
  if (instance === undefined) throw new Problem('invalid', 'the form has no instance_id: phone_home posts "all"');
  const host_keys = Object.entries(keyTypes).flatMap(([field, type]) => {
    const line = given.get(field);
    return line === undefined ? [] : [hostKey(field, line, type)];
  });
  return {
    instance,
    hostname: hostNameOf(given, 'hostname'),
    fqdn: hostNameOf(given, 'fqdn'),
    host_keys: Object.fromEntries(host_keys),
  };
}

function hostKey(field: string, line: string, expected: RegExp): [string, string] {
  const key = line.length > 4096 ? undefined : parseSshKey(line);
  if (key === undefined || !expected.test(key.type))
    throw new Problem('invalid', `${field} is no public key of its kind, as ssh-keygen writes one`);
  return [key.type, line.split(/\s+/).slice(0, 2).join(' ')];
}

function hostNameOf(given: Map<string, string>, field: string): string | undefined {
  const value = given.get(field);
  if (value !== undefined && !hostName.test(value)) throw new Problem('invalid', `${field} is no host name`);
  return value;
}

/** Records what a node's cloud-init told: once per instance. The same again is a retry whose answer was lost. */
export async function storePhoneHome(db: Db, { node, provision }: SeedCaller, phoned: Phoned): Promise<void> {
  const expected = instanceId({ id: node, provision });
  if (phoned.instance !== expected)
    throw new Problem('conflict', `it tells of an instance that is not this node's: that is ${expected}`);
  const { instance, ...told } = phoned;
  const text = JSON.stringify(told);
  const digest = createHash('sha256').update(text).digest('hex');
  const fingerprints = Object.fromEntries(
    Object.entries(told.host_keys).map(([type, line]) => [type, parseSshKey(line)!.fingerprint]),
  );
  await transaction(db, async (tx) => {
    const before = await tx
      .selectFrom('seed')
      .select('phoned_digest')
      .where('node', '=', node)
      .where('provision', '=', provision)
      .forUpdate()
      .executeTakeFirstOrThrow();
    if (before.phoned_digest === digest) return;
    if (before.phoned_digest !== null)
      throw new Problem('conflict', `instance ${instance} has phoned home already, and told something else`);
    await tx
      .updateTable('seed')
      .set({ phoned: text, phoned_digest: digest, phoned_at: new Date() })
      .where('node', '=', node)
      .where('provision', '=', provision)
      .execute();
    const subject = `node/${node}`;
    const data = { instance_id: instance, hostname: told.hostname, fqdn: told.fqdn, host_keys: fingerprints };
    await append(tx, [], [{ kind: 'seed.phoned_home', subject, actor: subject, data }]);
  });
}
