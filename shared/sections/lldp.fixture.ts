import type { Lldp } from './lldp.ts';

const switchB = {
  chassis_id: 'switch-b',
  chassis_id_subtype: 'local',
  port_id: '516',
  port_id_subtype: 'local',
  port_description: 'xe-0/0/4',
};
const sw1 = {
  chassis_id: '00:1c:73:00:01:00',
  chassis_id_subtype: 'mac',
  system_name: 'sw1.r1.ams1',
  port_id: 'Ethernet7/1',
  port_id_subtype: 'interface_name',
  port_description: 'to "n7" über rack r1',
};

/** Two neighbours of an interface, as systemd-networkd 257 (Debian 13) answers. */
export const asked: Lldp[string] = { '00:1c:73:00:01:00 Ethernet7/1': sw1, 'switch-b 516': switchB };

/** The same, as systemd-networkd 252 (Debian 12) saves them. */
export const saved: Lldp[string] = {
  '00:1c:73:00:01:00 Ethernet7/1': {
    ...sw1,
    management_addresses: { '10.0.0.2': true },
    port_vlan: 100,
    vlans: { '100': { name: 'mgmt' }, '200': { name: 'storage' } },
  },
  'switch-b 516': switchB,
};
