import { join } from 'node:path';
import type { PxeOptions } from '../pxe.ts';
import { contains, fromNumber, maskOf, type Network, networkOf, toNumber } from './ipv4.ts';
import { Leases } from './leases.ts';
import { Neighbours } from './neighbours.ts';
import { startProxyDhcp } from './proxy.ts';
import { cidr, type DhcpServer, type Served, startDhcp } from './server.ts';
import { networkOfCidr, overlap, type RelayedSubnet } from './subnets.ts';
import { watchServers } from './watch.ts';

/** Starts DHCP as the options want it, and looks for other servers as long as it runs. */
export async function serveDhcp(options: PxeOptions, bootUrl: string): Promise<DhcpServer> {
  const { log, now, interface: here } = options;
  const proxy = options.dhcp === 'proxy';
  checkSubnets(options);
  const neighbours = new Neighbours({ own: here.address, expected: proxy, log, now });
  const ports = { serverPort: options.dhcpPort ?? 67, clientPort: options.clientPort ?? 68 };
  const common = {
    neighbours,
    ownMac: here.mac,
    bootUrl,
    loader: options.loader ?? 'ipxe',
    ...ports,
    log,
  };
  const subnets = options.subnets ?? [];
  const server = proxy
    ? await startProxyDhcp({
        ...common,
        places: [{ ...here, relays: [] }, ...subnets.map(({ cidr, relays }) => ({ ...networkOfCidr(cidr), relays }))],
        server: here.address,
        mask: maskOf(here.prefixLength),
        bootPort: options.bootPort ?? 4011,
      })
    : await startDhcp({
        ...common,
        places: [ownNetwork(options), ...subnets.map((subnet) => behindRelay(options, subnet))],
        reservation: (mac, network) => reserved(options, mac, network),
      });
  const ending = new AbortController();
  const watching = watchServers(
    { address: here.address, mac: here.mac, network: cidr(here), neighbours, random: Math.random, log, ...ports },
    ending.signal,
  );
  return {
    close: async () => {
      ending.abort();
      await Promise.all([server.close(), watching]);
    },
  };
}

function ownNetwork(options: PxeOptions): Served {
  const { address, prefixLength } = options.interface;
  const { router, dns = [], leaseSeconds, directory, now } = options;
  return {
    address,
    prefixLength,
    relays: [],
    ports: [],
    subnet: { server: address, mask: maskOf(prefixLength), router, dns, leaseSeconds },
    leases: new Leases({ file: join(directory, 'leases.json'), pool: checkPool(options), leaseSeconds, now }),
  };
}

function behindRelay(options: PxeOptions, described: RelayedSubnet): Served {
  const network = networkOfCidr(described.cidr);
  const { router, dns = options.dns ?? [], lease_s: leaseSeconds = options.leaseSeconds } = described;
  const file = join(options.directory, `leases-${described.cidr.replace('/', '-')}.json`);
  return {
    ...network,
    relays: described.relays,
    ports: described.ports.map(({ circuit_id: circuit, remote_id: remote, address }) => ({ circuit, remote, address })),
    subnet: { server: options.interface.address, mask: maskOf(network.prefixLength), router, dns, leaseSeconds },
    leases: new Leases({ file, pool: described.pool, leaseSeconds, now: options.now }),
  };
}

/** The upper half of a network, without its last address and our own: what is given out when no pool is set. */
function defaultPool({ address, prefixLength }: Network): { first: string; last: string } {
  const size = 2 ** (32 - prefixLength);
  const network = networkOf(address, prefixLength);
  const [first, last] = [network + size / 2, network + size - 2];
  const own = toNumber(address);
  return { first: fromNumber(own === first ? first + 1 : first), last: fromNumber(own === last ? last - 1 : last) };
}

function checkPool({ pool, interface: here }: PxeOptions): { first: string; last: string } {
  const { first, last } = pool ?? defaultPool(here);
  const [from, to, own] = [first, last, here.address].map(toNumber) as [number, number, number];
  const inside = [first, last].every((end) => contains(here, end));
  if (inside && from <= to && (own < from || own > to)) return { first, last };
  throw new Error(
    `the pool ${first}-${last} (MACHINEDB_PXE_POOL) does not fit interface ${here.name} (${cidr(here)}): it must lie in its network, in order, without its address`,
  );
}

function checkSubnets({ subnets = [], interface: here }: PxeOptions): void {
  const own = subnets.find((subnet) => overlap(networkOfCidr(subnet.cidr), here));
  if (own !== undefined)
    throw new Error(
      `MACHINEDB_PXE_SUBNETS: ${own.cidr} is the network of interface ${here.name} (${cidr(here)}): it is served without a relay, by MACHINEDB_PXE_POOL and its like; take it out`,
    );
}

/** The address in a network that is wanted of the machine's card. */
async function reserved({ decide }: PxeOptions, mac: string, network: Network): Promise<string | undefined> {
  const { addresses = [] } = await decide({ mac });
  return addresses.map((each) => each.split('/')[0]!).find((ip) => !ip.includes(':') && contains(network, ip));
}
