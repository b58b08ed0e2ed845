import type { Offer } from '../dhcp/probe.ts';
import type { Finding } from './finding.ts';

/** What other servers' offers mean for machines that are to boot from us. */
export function judgeOffers(offers: Offer[], dhcp: 'full' | 'proxy', own: string): Finding[] {
  const others = offers.filter(({ server }) => server !== own);
  const giving = others.filter(({ address }) => address !== undefined);
  const findings: Finding[] = [];
  const way = 'stop it, or keep it off this network';
  if (dhcp === 'full')
    for (const { server, address } of giving)
      findings.push({
        ...{ check: 'dhcp', level: 'error', what: `another DHCP server answers here: ${server}` },
        cause: `it offered ${address} to a question of ours; machines follow whoever answers first`,
        way: `${way}, or set MACHINEDB_PXE_DHCP=proxy and let it give the addresses`,
      });
  else if (giving.length === 0)
    findings.push({
      ...{ check: 'dhcp', level: 'error', what: 'no DHCP server gives addresses here' },
      cause: 'MACHINEDB_PXE_DHCP=proxy only tells machines what to boot, and nobody offered an address',
      way: 'start the DHCP server of this network, or set MACHINEDB_PXE_DHCP=full',
    });
  else if (new Set(giving.map(({ server }) => server)).size > 1)
    findings.push({
      ...{ check: 'dhcp', level: 'warning', what: 'several DHCP servers give addresses here' },
      cause: `${giving.map(({ server }) => server).join(' and ')} offered one; unless they know of each other, two machines get the same`,
      way: 'leave one of them, or make sure that they are a pair',
    });
  for (const { server } of others.filter(({ address }) => address === undefined))
    findings.push({
      ...{ check: 'dhcp', level: 'error', what: `another ProxyDHCP server answers here: ${server}` },
      cause: 'it tells machines what to boot; they follow whoever answers first',
      way,
    });
  for (const { server, nextServer, bootFile } of others)
    if (bootFile !== undefined)
      findings.push({
        ...{ check: 'next-server', level: 'error', what: `${server} names another boot file than ours: ${bootFile}` },
        cause: `machines may fetch it from ${nextServer ?? server} instead of ${own}`,
        way: `take next-server (siaddr, option 66) and the boot file (option 67) out of the settings of ${server}`,
      });
  return findings;
}
