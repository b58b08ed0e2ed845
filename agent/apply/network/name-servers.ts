import { Resolver } from 'node:dns/promises';
import type { NetworkWanted } from '../../../shared/sections/network.ts';

const PATIENCE_MS = 2000;
/** A name that no server knows (RFC 6761, 6.4): any answer shows that there is a server. */
const NOBODY = 'machinedb.invalid';

/** Whether a name server answers, whatever it says. */
export type Ask = (server: string) => Promise<boolean>;

export const askNameServer: Ask = async (server) => {
  const resolver = new Resolver({ timeout: PATIENCE_MS, tries: 1 });
  resolver.setServers([server]);
  try {
    await resolver.resolve4(NOBODY);
    return true;
  } catch (error) {
    return !['ETIMEOUT', 'ECONNREFUSED'].includes((error as NodeJS.ErrnoException).code ?? '');
  }
};

/** That none of the wanted name servers answers, in words; undefined: one does, or none is wanted. One is as good as all. */
export async function deadNameServers(wanted: NetworkWanted, ask: Ask = askNameServer): Promise<string | undefined> {
  const servers = Object.keys(wanted.dns?.servers ?? {});
  if (servers.length === 0) return undefined;
  const answers = await Promise.all(servers.map(ask));
  if (answers.some((answered) => answered)) return undefined;
  return servers.length === 1
    ? `name server ${servers[0]} does not answer`
    : `none of the name servers ${servers.join(', ')} answers`;
}
