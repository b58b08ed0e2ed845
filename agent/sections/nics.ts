import type { Nics } from '../../shared/sections/nics.ts';
import { firmwareOf, permanentMac } from '../network/ethtool.ts';
import { membership } from '../network/membership.ts';
import { isPhysical, kindOf, type Netdev, netdevs } from '../network/netdev.ts';
import { rdmaOf } from '../network/rdma.ts';
import { keyed } from '../parse/keyed.ts';
import { whole } from '../parse/numbers.ts';
import { linkName, numaOf, pciAddresses, sriovOf } from '../parse/pci.ts';
import type { System } from '../system.ts';

/**
 * Physical network ports (kernel: Documentation/ABI/testing/sysfs-class-net), never veths, bridges or virtual
 * functions. Keyed by permanent MAC or port GUID, else by name; a MAC that two ports claim identifies neither.
 */
export function observe(system: System): Nics | undefined {
  const found = netdevs(system)
    .filter((netdev) => isPhysical(system, netdev))
    .flatMap((netdev) => {
      const value = port(system, netdev);
      return value === undefined ? [] : [{ keys: [value.mac ?? value.guid, value.name], value }];
    });
  return found.length === 0 ? undefined : keyed(found);
}

function port(system: System, netdev: Netdev) {
  const { name, folder, device } = netdev;
  const kind = kindOf(system, netdev);
  if (kind === undefined || device === undefined) return undefined;
  const pci = pciAddresses(device).at(-1);
  const pciFolder = pci === undefined ? undefined : `/sys/bus/pci/devices/${pci}`;
  const carrier = system.read(`${folder}/carrier`);
  const duplex = system.read(`${folder}/duplex`);
  const { firmware = firmwareOf(system, netdev), ...rdma } = rdmaOf(system, netdev);
  return {
    name,
    kind,
    mac: kind === 'ethernet' ? permanentMac(system, netdev) : undefined,
    guid: kind === 'infiniband' ? portGuid(system.read(`${folder}/address`)) : undefined,
    driver: linkName(system, `${device}/driver`),
    mtu: whole(system.read(`${folder}/mtu`)),
    link: carrier === '1' ? true : carrier === '0' ? false : undefined,
    speed_mbps: carrier === '0' ? undefined : speed(system.read(`${folder}/speed`)),
    duplex: duplex === 'full' || duplex === 'half' ? duplex : undefined,
    numa_node: numaOf(system, pciFolder ?? device),
    pci,
    port: whole(system.read(`${folder}/dev_port`)),
    sriov: pciFolder === undefined ? undefined : sriovOf(system, pciFolder),
    ...membership(system, netdev),
    firmware,
    ...rdma,
  };
}

// Without a link drivers say -1, 0, or one of these as an unsigned number of 16 or 32 bits.
function speed(text: string | undefined): number | undefined {
  const mbps = whole(text);
  return mbps === 0 || mbps === 65_535 || mbps === 4_294_967_295 ? undefined : mbps;
}

// The last 8 of an IPoIB address's 20 bytes (RFC 4391, 9.1.1); the first 4 are a queue pair that changes every time.
function portGuid(text: string | undefined): string | undefined {
  const bytes = text?.trim().toLowerCase().split(':') ?? [];
  return bytes.length === 20 && bytes.every((byte) => /^[0-9a-f]{2}$/.test(byte))
    ? bytes.slice(12).join(':')
    : undefined;
}
