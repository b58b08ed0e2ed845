import type { Bmc } from '../../shared/sections/bmc.ts';
import { addresses6In, controllerIn, lanIn } from '../bmc/answers.ts';
import { answerIn } from '../parse/answer.ts';
import { known, knownUuid } from '../parse/placeholder.ts';
import { managementOf } from '../smbios/management.ts';
import { readSmbios } from '../smbios/table.ts';
import { IPMI_ANSWER, type System } from '../system.ts';

const platform = '/sys/devices/platform';

/**
 * The management controller: what SMBIOS says of it, what the kernel's driver learned (Linux:
 * Documentation/ABI/testing/sysfs-devices-platform-ipmi), and what ipmitool printed where it was run (bmc/ask.ts).
 */
export function observe(system: System): Bmc | undefined {
  const smbios = readSmbios(system);
  const answers = answerIn(system, IPMI_ANSWER) ?? {};
  const answer = (name: string) => (typeof answers[name] === 'string' ? answers[name] : '');
  const channel = Object.keys(answers).flatMap((name) => /^lan-print-(\d{1,2})$/.exec(name)?.[1] ?? [])[0];
  const lan = lanIn(answer(`lan-print-${channel}`));
  const parts: Bmc[] = [
    smbios === undefined ? {} : managementOf(smbios),
    byDriver(system),
    controllerIn(answer('mc-info')),
    lan,
    channel === undefined ? {} : { channel: Number(channel) },
    { addresses: { ...lan.addresses, ...addresses6In(answer(`lan6-print-${channel}`)) } },
  ];
  // Each part knows better than those before it, where it knows.
  return Object.fromEntries(parts.flatMap((part) => Object.entries(part).filter(([, value]) => value !== undefined)));
}

function byDriver(system: System): Bmc {
  const device = system.list(platform).find((name) => /^ipmi_bmc\.\d+$/.test(name));
  const file = (name: string) => known(system.read(`${platform}/${device}/${name}`));
  if (device === undefined) return {};
  return {
    firmware: file('firmware_revision'),
    ipmi_version: file('ipmi_version'),
    manufacturer_id: decimal(file('manufacturer_id')),
    product_id: decimal(file('product_id')),
    guid: knownUuid(file('guid')),
  };
}

// The kernel writes 0x0002a2, ipmitool 674.
function decimal(text: string | undefined): string | undefined {
  return text !== undefined && /^0x[0-9a-f]{1,8}$/i.test(text) ? String(Number(text)) : undefined;
}
