import { whole } from '../parse/numbers.ts';
import { known } from '../parse/placeholder.ts';
import type { System } from '../system.ts';
import type { Netdev } from './netdev.ts';

/**
 * The RDMA device behind a port, and with it the card's firmware (kernel: Documentation/ABI/stable/sysfs-class-infiniband). Its
 * state, LID and counters change by themselves.
 */
export function rdmaOf(system: System, { folder, device }: Netdev) {
  if (device === undefined) return {};
  const port = (whole(system.read(`${folder}/dev_port`)) ?? 0) + 1;
  // A card of several ports has one RDMA device for all of them, or one each.
  const names = system.list(`${device}/infiniband`);
  const name = names.length > 1 ? names[port - 1] : names[0];
  if (name === undefined) return {};
  const rdma = `${device}/infiniband/${name}`;
  const ports = system.list(`${rdma}/ports`);
  return {
    firmware: known(system.read(`${rdma}/fw_ver`)),
    rdma: {
      device: name.slice(0, 64),
      node_guid: guid(system.read(`${rdma}/node_guid`)),
      system_guid: guid(system.read(`${rdma}/sys_image_guid`)),
      link_layer: known(system.read(`${rdma}/ports/${ports.length > 1 ? port : (ports[0] ?? port)}/link_layer`)),
      board: known(system.read(`${rdma}/board_id`)),
    },
  };
}

// '0002:c903:00f9:bfa0'
function guid(text: string | undefined): string | undefined {
  const value = text?.trim().toLowerCase();
  return value !== undefined && /^([0-9a-f]{4}:){3}[0-9a-f]{4}$/.test(value) && /[1-9a-f]/.test(value)
    ? value
    : undefined;
}
