import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Interface, interfaceOf } from '../pxe.ts';
import type { Finding } from './finding.ts';

const IFF_UP = 1;

/** The interface, or what keeps machines from being served on it. */
export function checkInterface(name: string, sys = '/sys/class/net'): Interface | Finding {
  const error = { check: 'interface', level: 'error' } as const;
  const setting = 'or set MACHINEDB_PXE to the interface of the machines';
  if (!existsSync(join(sys, name)))
    return {
      ...{ ...error, what: `there is no interface ${name}` },
      cause: `this machine has ${readdirSync(sys).sort().join(', ')}`,
      way: 'set MACHINEDB_PXE to one of them',
    };
  const read = (file: string) => {
    try {
      return readFileSync(join(sys, name, file), 'utf8').trim();
    } catch {
      // An interface that is down does not tell its carrier.
      return '';
    }
  };
  if ((Number(read('flags')) & IFF_UP) === 0)
    return {
      ...{ ...error, what: `interface ${name} is down` },
      cause: 'nobody has set it up',
      way: `ip link set ${name} up, ${setting}`,
    };
  if (read('carrier') !== '1')
    return {
      ...{ ...error, what: `interface ${name} has no carrier` },
      cause: 'no cable, a switch that is off, or a port that is shut there',
      way: `look at the cable and the switch's port, ${setting}`,
    };
  try {
    return interfaceOf(name);
  } catch {
    return {
      ...{ ...error, what: `interface ${name} has no IPv4 address` },
      cause: 'nobody has given it one',
      way: `give it the boot service's address, ${setting}`,
    };
  }
}
