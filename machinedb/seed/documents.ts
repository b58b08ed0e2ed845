import type { Intent } from '../../shared/resolve.ts';
import { seedFields } from '../../shared/resolve-cloud-init.ts';
import type { NetworkWanted } from '../../shared/sections/network.ts';
import { type Fields, fill } from '../../shared/template.ts';
import { Problem } from '../http/problem.ts';
import { networkConfig } from './network-config.ts';
import { yaml } from './yaml.ts';

/** Files of a NoCloud seed: cloud-init asks for each, and takes none of them if one of the first two cannot be had. */
export const documentNames = ['meta-data', 'user-data', 'vendor-data', 'network-config'] as const;
export type DocumentName = (typeof documentNames)[number];

/** What is known of a node that cloud-init on it, or a person, asks about. */
export interface SeedNode {
  id: string;
  /** Number of the install that the running system came from; 0: it was there before. */
  provision: number;
  /** FQDN, else host name; undefined: none is intended. */
  name: string | undefined;
  intent: Intent;
  wanted: { network?: NetworkWanted };
  /** Interface → MAC, as the machine reports them. */
  macs: Record<string, string>;
}

/** cloud-init's word for one first boot: another one, and all that is done once per instance is done again. */
export function instanceId({ id, provision }: Pick<SeedNode, 'id' | 'provision'>): string {
  return `${id}-${provision}`;
}

/** All that strangers may know: what the machine is called, and that it is the same as before. */
export function metaData(node: Pick<SeedNode, 'id' | 'provision' | 'name'>): string {
  return yaml({ 'instance-id': instanceId(node), 'local-hostname': node.name });
}

/**
 * One document of a node.
 *
 * @throws Problem when a text needs what the node does not have: a text is whole or not there
 */
export function documentOf(node: SeedNode, name: DocumentName): string {
  switch (name) {
    case 'meta-data':
      return metaData(node);
    case 'user-data':
      return textOf(node, 'user_data');
    case 'vendor-data':
      return textOf(node, 'vendor_data');
    case 'network-config':
      return networkConfig(node.wanted.network ?? {}, node.macs);
  }
}

function textOf(node: SeedNode, key: 'user_data' | 'vendor_data'): string {
  const values: Fields = { ...seedFields(node.intent), node: node.id, instance_id: instanceId(node) };
  try {
    return fill(node.intent.cloud_init?.[key] ?? '', values);
  } catch (error) {
    // Not 200 with nothing in it: cloud-init would take that for all there is, and never ask again.
    throw new Problem('unavailable', `${key} of node ${node.id}: ${(error as Error).message}`, { retryAfter: 60 });
  }
}
