import { hashOf } from './hash.ts';
import type { Intent, Unresolvable } from './resolve.ts';
import { type Field, type Fields, fieldsOf, missingFields } from './template.ts';

/** Every node has these. */
const always: Field[] = ['node', 'instance_id'];

/** What the texts for cloud-init may name of a node, as far as intent says it. */
export function seedFields({ hostname, placement, role }: Intent): Fields {
  const { hostname: host, domain } = hostname ?? {};
  const fqdn = host === undefined || domain === undefined ? undefined : `${host}.${domain}`;
  const { site, rack, unit } = placement ?? {};
  return { hostname: host, domain, fqdn, site, rack, unit: unit?.toString(), role: role?.name as string | undefined };
}

/** The texts by their digests, so that a change of one is a change of what is wanted; they themselves stay with the intent. */
export function resolveCloudInit(intent: Intent, problems: Unresolvable[]): Record<string, unknown> | undefined {
  const { user_data, vendor_data, secrets } = intent.cloud_init ?? {};
  const values = seedFields(intent);
  for (const [key, text] of Object.entries({ user_data, vendor_data })) {
    const missing = fieldsOf(text ?? '').filter((name) => values[name] === undefined && !always.includes(name));
    if (missing.length > 0)
      problems.push({
        section: 'cloud_init',
        path: `/${key}`,
        message: `no ${key} is given out: ${missingFields(missing)}`,
      });
  }
  return {
    ...(user_data === undefined ? {} : { user_data: hashOf(user_data) }),
    ...(vendor_data === undefined ? {} : { vendor_data: hashOf(vendor_data) }),
    ...(secrets === undefined ? {} : { secrets }),
  };
}
