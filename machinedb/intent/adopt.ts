import { networkOf } from '../../shared/ip.ts';
import type { Hostname } from '../../shared/sections/hostname.ts';
import type { Network } from '../../shared/sections/network.ts';
import { Problem } from '../http/problem.ts';

interface NetworkRow {
  name: string;
  cidr: string;
  site: string | null;
}

/**
 * The intent that asks for exactly what a machine reports of a section. Throws when it cannot be said as an intent.
 *
 * @param site where the machine stands: networks of other sites are not its own
 */
export function toIntent(
  section: 'hostname' | 'network' | 'ssh' | 'repos',
  observed: unknown,
  networks: NetworkRow[],
  site: string | null,
): unknown {
  if (section === 'hostname') {
    const { hostname, domain } = observed as Hostname;
    return { hostname, ...(domain === undefined ? {} : { domain }) };
  }
  if (section === 'network') {
    const near = networks.filter((network) => network.site === null || network.site === site);
    return networkIntent(observed as Network, near);
  }
  if (section === 'repos') return observed;
  const { password_authentication, permit_root_login } = observed as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries({ password_authentication, permit_root_login }).filter(([, value]) => value !== undefined),
  );
}

function networkIntent({ interfaces = {}, dns }: Network, networks: NetworkRow[]) {
  const adopted = Object.entries(interfaces).map(([name, port]) => {
    const addresses = Object.keys(port.addresses ?? {}).map((cidr, i) => {
      const [address = '', prefix] = cidr.split('/');
      const network = networks.find((row) => row.cidr === networkOf(address, Number(prefix)));
      if (network === undefined)
        throw new Problem(
          'conflict',
          `address ${cidr} of ${name} is in no network: machinedb network put makes one for it`,
        );
      return [i === 0 ? 'primary' : `address-${i + 1}`, { network: network.name, address }];
    });
    const { mtu, gateway, gateway6 } = port;
    const settings = Object.entries({ mtu, gateway, gateway6 }).filter(([, value]) => value !== undefined);
    return [
      name,
      {
        ...Object.fromEntries(settings),
        ...(addresses.length === 0 ? {} : { addresses: Object.fromEntries(addresses) }),
      },
    ];
  });
  const { servers, search } = dns ?? {};
  const resolver = Object.fromEntries(Object.entries({ servers, search }).filter(([, value]) => value !== undefined));
  return {
    interfaces: Object.fromEntries(adopted),
    ...(Object.keys(resolver).length === 0 ? {} : { dns: resolver }),
  };
}
