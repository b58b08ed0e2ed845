import { networkOf } from '../../shared/ip.ts';
import type { Hostname } from '../../shared/sections/hostname.ts';
import type { Network } from '../../shared/sections/network.ts';
import type { Repos } from '../../shared/sections/repos.ts';
import type { Ssh } from '../../shared/sections/ssh.ts';
import type { Time } from '../../shared/sections/time.ts';
import { Problem } from '../http/problem.ts';
import { type NetworkRow, type Networks, networksNear, type Scope } from '../places/nearest.ts';

/**
 * The intent that asks for exactly what a machine reports of a section. Throws when it cannot be said as an intent.
 *
 * @param place where the machine stands: of networks with one name, the nearest is its own
 */
export function toIntent(
  section: 'hostname' | 'network' | 'ssh' | 'repos' | 'time',
  observed: unknown,
  networks: Networks,
  place: Scope,
): unknown {
  if (section === 'hostname') {
    const { hostname, domain } = observed as Hostname;
    return { hostname, ...(domain === undefined ? {} : { domain }) };
  }
  if (section === 'network') {
    return networkIntent(observed as Network, networksNear(networks, place));
  }
  if (section === 'repos') return reposIntent(observed as Repos);
  if (section === 'time') return timeIntent(observed as Time);
  const { password_authentication, kbd_interactive_authentication, permit_root_login } = observed as Ssh;
  const { x11_forwarding, max_auth_tries, login_grace_time_s } = observed as Ssh;
  const logIn = { password_authentication, kbd_interactive_authentication, permit_root_login };
  return defined({ ...logIn, x11_forwarding, max_auth_tries, login_grace_time_s });
}

/** What DHCP names is not the intent's, and stays as it is: `only_these` is not adopted. */
function timeIntent({ timezone, servers, pools }: Time) {
  const adopted = (sources: Time['servers']) =>
    sources &&
    Object.fromEntries(
      Object.entries(sources).map(([name, { iburst, minpoll, maxpoll }]) => [
        name,
        defined({ iburst, minpoll, maxpoll }),
      ]),
    );
  return defined({ timezone, servers: adopted(servers), pools: adopted(pools) });
}

/** Pins of others stay as they are: one that is adopted would be there twice. */
function reposIntent({ apt, dnf }: Repos) {
  const repositories = Object.entries(dnf ?? {}).map(([id, { file: _, ...repository }]) => [id, repository]);
  return defined({ apt, dnf: dnf && Object.fromEntries(repositories) });
}

const defined = (members: object) =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));

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
