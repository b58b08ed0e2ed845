import { canonicalIp } from '../../shared/ip.ts';
import type { System } from '../system.ts';

/** Name servers and search domains as sets; undefined without either. */
export type Dns = {
  servers: Record<string, true>;
  search: Record<string, true>;
};

/** resolv.conf(5); where it only names systemd-resolved on this machine, the servers that one asks. */
export function dnsOf(system: System): Dns | undefined {
  const written = parseResolver(system.read('/etc/resolv.conf') ?? '');
  const isStub = Object.keys(written.servers).every((server) => server === '127.0.0.53' || server === '127.0.0.54');
  const behind = isStub ? system.read('/run/systemd/resolve/resolv.conf') : undefined;
  const dns = behind === undefined ? written : parseResolver(behind);
  return Object.keys(dns.servers).length + Object.keys(dns.search).length === 0 ? undefined : dns;
}

/** The lines `nameserver`, `search` and `domain`, of which the last one counts. */
export function parseResolver(text: string): Dns {
  const servers: [string, true][] = [];
  let search: string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/);
    const server = keyword === 'nameserver' ? canonicalIp(values[0]?.replace(/%.*/, '') ?? '') : undefined;
    if (server !== undefined) servers.push([server, true]);
    if (keyword === 'search' || keyword === 'domain') search = values;
  }
  const domains = search.map((each) => each.toLowerCase().replace(/\.$/, '').slice(0, 253)).filter(Boolean);
  return {
    servers: Object.fromEntries(servers.slice(0, 32)),
    search: Object.fromEntries(domains.slice(0, 32).map((each) => [each, true])),
  };
}
