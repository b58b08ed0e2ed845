import type { NetworkWanted } from '../../../shared/sections/network.ts';
import type { Run } from '../../command.ts';
import { routesOf } from './links.ts';

/**
 * What of a network does not work that has to, in words that name the cause; undefined: all does. A gateway is there when it
 * answers ARP (RFC 826) or neighbour discovery (RFC 4861), whether it answers ping or not.
 */
export function networkProblem(run: Run, wanted: NetworkWanted): string | undefined {
  for (const [name, each] of Object.entries(wanted.interfaces ?? {})) {
    for (const via of new Set(routesOf(each).flatMap((route) => route.via ?? []))) {
      const problem = silent(run, name, via) ?? blackHole(run, name, via, each.mtu);
      if (problem !== undefined) return problem;
    }
  }
  const [missing] = missingRoutes(run, wanted);
  if (missing === undefined) return undefined;
  const { name, to, via } = missing;
  return `the route to ${to} by ${via} on ${name} is not there: what configures the network has not set it`;
}

interface MissingRoute {
  /** Its interface. */
  name: string;
  to: string;
  via: string;
  /** Its table, as ip-route(8) takes it. */
  table: number | string;
}

/** Routes by gateways that are wanted and that the kernel has by none of the gateways that are wanted for them. */
export function missingRoutes(run: Run, wanted: NetworkWanted): MissingRoute[] {
  const { interfaces = {} } = wanted;
  const routes = Object.entries(interfaces).flatMap(([name, each]) => {
    const own = each.vrf === undefined ? undefined : interfaces[each.vrf]?.unobserved?.table;
    return routesOf(each).flatMap(({ to, via, table = own ?? 'main' }) =>
      via === undefined ? [] : [{ name, to, via, table }],
    );
  });
  return routes.filter(({ to, table }) => {
    const words = [to.includes(':') ? '-6' : '-4', 'route', 'show', 'exact', to, 'table', String(table)];
    const { status, stdout } = run('ip', words);
    const same = routes.filter((other) => other.to === to && other.table === table);
    // Without iproute2, or in a table that has no route at all, the kernel was not asked or says nothing of this one.
    return status === 0 && !same.some(({ via }) => stdout.split(/\s+/).includes(via));
  });
}

function silent(run: Run, name: string, via: string): string | undefined {
  const [family, asked] = via.includes(':') ? ['-6', 'neighbour discovery'] : ['-4', 'ARP'];
  const { status } = ping(run, name, via, []);
  // Without ping nobody has asked for the gateway: that it is no neighbour says nothing.
  if (status === 0 || status === null) return undefined;
  const neighbour = run('ip', [family, 'neigh', 'show', via, 'dev', name]).stdout;
  if (/lladdr/.test(neighbour) && !/FAILED|INCOMPLETE/.test(neighbour)) return undefined;
  return `gateway ${via} does not answer ${asked} on ${name}`;
}

/** Headers of IP and ICMP, bytes. */
const HEADERS = { '4': 28, '6': 48 };

/** A switch that does not take packets as large as the interface's drops them, and says nothing. */
function blackHole(run: Run, name: string, via: string, mtu: number | undefined): string | undefined {
  if (mtu === undefined || mtu <= 1500) return undefined;
  const size = mtu - HEADERS[via.includes(':') ? '6' : '4'];
  const whole = (bytes: number) => ping(run, name, via, ['-M', 'do', '-s', String(bytes)]).status === 0;
  // A gateway that answers no ping says nothing about sizes.
  if (!whole(56) || whole(size)) return undefined;
  return `packets of ${mtu} bytes do not pass to gateway ${via} on ${name}, small ones do: the switch's or the gateway's MTU is smaller`;
}

const ping = (run: Run, name: string, via: string, more: string[]) =>
  run('ping', ['-c', '1', '-W', '2', ...more, '-I', name, via]);

/**
 * Which address that is about to be used somebody else uses already (RFC 5227, 2.1.1), in words; undefined: none. Only asked
 * of interfaces that are there and up, and where arping is.
 *
 * @param held addresses that this machine has now
 */
export function duplicateAddress(run: Run, wanted: NetworkWanted, held: Set<string>): string | undefined {
  for (const [name, { addresses = {} }] of Object.entries(wanted.interfaces ?? {})) {
    for (const cidr of Object.keys(addresses)) {
      const [address = ''] = cidr.split('/');
      if (address.includes(':') || held.has(address) || name === 'lo') continue;
      const { status, stdout } = run('arping', ['-D', '-c', '2', '-w', '3', '-I', name, address]);
      const mac = /\[([0-9A-Fa-f:]{17})\]/.exec(stdout)?.[1]?.toLowerCase();
      if (status === 1 && mac !== undefined)
        return `address ${address} is in use on ${name} by ${mac} already: take another, or find who has it`;
    }
  }
  return undefined;
}
