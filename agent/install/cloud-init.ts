import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where the agent of an installed node gives out what cloud-init asks for (agent/seed/serve.ts). */
const SEED = 'http://127.0.0.1:4282/seed/';

/**
 * cloud-init's part of an installed node. One data source alone: without its seed cloud-init then fails, where it would otherwise
 * make another instance, with other host keys, of the same machine. The network is the agent's, which proves each change.
 */
const text = `# Written by MachineDB's installer. User-data and vendor-data override all but the data source and the network.
datasource_list: [NoCloud]
datasource:
  NoCloud:
    seedfrom: ${SEED}
network:
  config: disabled
phone_home:
  url: ${SEED}phone-home
  post: all
  tries: 10
`;

/** Tells the cloud-init of a root folder, where there is one, to ask the agent. It holds no secret. */
export function configureCloudInit(root: string): void {
  const folder = join(root, 'etc/cloud');
  if (!existsSync(folder)) return;
  mkdirSync(join(folder, 'cloud.cfg.d'), { recursive: true });
  writeFileSync(join(folder, 'cloud.cfg.d/95-machinedb.cfg'), text, { mode: 0o644 });
}
