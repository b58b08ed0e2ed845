import { existsSync } from 'node:fs';
import type { Loader } from '../dhcp/boot-file.ts';
import { findServers } from '../dhcp/probe.ts';
import { neededLoaders } from '../loaders.ts';
import { checkUrl } from './certificate.ts';
import { judgeClock } from './clock.ts';
import { checkFolders, type Folder } from './disk.ts';
import type { Finding } from './finding.ts';
import { checkInterface } from './interface.ts';
import { judgeOffers } from './offers.ts';
import { checkPorts, neededPorts } from './ports.ts';

export interface CheckOptions {
  /** Name of the interface. */
  interface: string;
  dhcp: 'full' | 'proxy';
  httpPort: number;
  /** What UEFI machines start, and the folder of iPXE's loaders. */
  loader: Loader;
  loaders: string;
  folders: Folder[];
  /** URLs that machines are to boot from besides our own. */
  urls: URL[];
  /** Process of the daemon that runs here, if one does. */
  own: number | undefined;
  /** The server's time, milliseconds since 1970; undefined: it did not answer. */
  serverTime: number | undefined;
  /** How long other DHCP servers are waited for. */
  waitMs: number;
  now: () => number;
  random: () => number;
}

/** Looks for the usual faults of a boot service, whether it runs or not. Changes nothing, and takes no address. */
export async function checkPxe(options: CheckOptions): Promise<Finding[]> {
  const { dhcp, loader, loaders: folder, now } = options;
  const here = checkInterface(options.interface);
  const onWire = 'check' in here ? [here] : await checkWire(options, here);
  const certificates = await Promise.all(options.urls.map((url) => checkUrl(url, now())));
  const missing = neededLoaders({ loader, folder })
    .filter(({ from }) => !existsSync(from))
    .map(
      ({ from, way }): Finding => ({
        ...{ check: 'loaders', level: 'error', what: `the loader ${from} is missing` },
        cause: 'machines fetch it by TFTP first of all',
        way,
      }),
    );
  return [
    ...onWire,
    ...certificates.flat(),
    ...judgeClock(now(), options.serverTime),
    ...checkFolders(options.folders),
    ...missing,
  ];
  async function checkWire(
    { httpPort, own, waitMs, random }: CheckOptions,
    { address, mac }: { address: string; mac: string },
  ): Promise<Finding[]> {
    const ports = await checkPorts(address, neededPorts(dhcp, httpPort), own);
    try {
      const offers = await findServers({ address, mac, waitMs, random, log: { warn: () => undefined } });
      return [...ports, ...judgeOffers(offers, dhcp, address)];
    } catch (error) {
      const cause = (error as Error).message;
      return [
        ...ports,
        {
          ...{ check: 'dhcp', level: 'warning', what: 'other DHCP servers could not be looked for', cause },
          way: 'run this as root, and stop what has UDP port 68',
        },
      ];
    }
  }
}
