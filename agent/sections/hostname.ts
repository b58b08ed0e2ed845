import type { Hostname } from '../../shared/sections/hostname.ts';
import { known } from '../parse/placeholder.ts';
import type { System } from '../system.ts';

/** What the machine calls itself: the kernel's name, /etc/hostname, and the name that /etc/hosts completes it to. */
export function observe(system: System): Hostname | undefined {
  const running = name(system.read('/proc/sys/kernel/hostname'));
  const lasting = name(firstLine(system.read('/etc/hostname')));
  const hostname = running ?? lasting;
  if (hostname === undefined) return undefined;
  const fqdn = hostname.includes('.') ? hostname : fqdnIn(system.read('/etc/hosts') ?? '', hostname);
  return { hostname, static: lasting, fqdn, domain: fqdn?.slice(fqdn.indexOf('.') + 1) };
}

/**
 * The first name in hosts(5) that is `hostname` followed by a domain.
 */
export function fqdnIn(hosts: string, hostname: string): string | undefined {
  const prefix = `${hostname.toLowerCase()}.`;
  for (const line of hosts.split('\n')) {
    const [, ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    const found = names.find((each) => each.toLowerCase().startsWith(prefix) && each.length > prefix.length);
    if (found !== undefined) return name(found.replace(/\.$/, ''));
  }
  return undefined;
}

// '(none)' is what the kernel says before anyone has named the machine.
function name(text: string | undefined): string | undefined {
  return text?.trim() === '(none)' ? undefined : known(text);
}

function firstLine(text: string | undefined): string | undefined {
  return text
    ?.split('\n')
    .map((line) => line.trim())
    .find((line) => line !== '' && !line.startsWith('#'));
}
