import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Site } from './site.ts';

/** A DHCP server of somebody else on a site's network: it gives addresses, and knows nothing of booting. */
export interface AddressServer {
  /** Address that it gave a card; undefined: none. */
  leaseOf(mac: string): string | undefined;
  close(): void;
}

/** Starts dnsmasq on a machine of its own at 10.77.0.3; it gives 10.77.0.200 to .240. */
export async function startAddressServer(site: Site): Promise<AddressServer> {
  const run = site.network.join('10.77.0.3/24');
  const at = (name: string) => join(site.directory, name);
  const { code, stderr } = await run('dnsmasq', [
    ...['-C', '/dev/null', '--port=0', '--interface=eth0', '--bind-interfaces', '--user=root', '--no-ping'],
    ...['--dhcp-range=10.77.0.200,10.77.0.240,255.255.255.0,10m', '--dhcp-authoritative'],
    ...[`--dhcp-leasefile=${at('others.leases')}`, `--pid-file=${at('others.pid')}`],
  ]);
  if (code !== 0) throw new Error(`dnsmasq ended with ${code}: ${stderr}`);
  const close = () => {
    process.removeListener('exit', close);
    process.kill(Number(readFileSync(at('others.pid'), 'utf8')));
  };
  process.once('exit', close);
  return {
    leaseOf: (mac) =>
      readFileSync(at('others.leases'), 'utf8')
        .split('\n')
        .map((line) => line.split(' '))
        .find(([, card]) => card === mac)?.[2],
    close,
  };
}
