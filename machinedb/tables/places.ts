import type { Generated, GeneratedAlways } from 'kysely';
import type { Placement } from '../../shared/sections/placement.ts';
import type { DeviceKind } from '../schema.ts';
import type { OptionalTime, Time } from './columns.ts';

/** Where machines stand, how they are cabled and fed, and what addresses they have. */
export interface PlaceTables {
  site: { name: string; description: string | null; created_at: Time };
  rack: {
    site: string;
    name: string;
    height: number;
    description: string | null;
    created_at: Time;
    descending: Generated<boolean>;
    room: string | null;
    row_name: string | null;
    position: number | null;
  };
  room: { site: string; name: string; description: string | null; created_at: Time };
  room_row: { site: string; room: string; name: string };
  device: {
    site: string;
    name: string;
    kind: DeviceKind;
    chassis_id: string | null;
    description: string | null;
    created_at: Time;
  };
  power_feed: {
    site: string;
    rack: Generated<string>;
    rack_of_site: GeneratedAlways<string | null>;
    name: string;
    rating_w: number;
    pdu: string | null;
    upstream_rack: string | null;
    upstream: string | null;
  };
  cable: { switch: string; port: string; node: string; nic: string; created_by: string; created_at: Time };
  cabling_due: { node: string };
  place_wish: { node: string; rule: string; confidence: number };
  nameplate: { model: string; draw_w: number; description: string | null };
  network: {
    key: GeneratedAlways<string>;
    name: string;
    site: string | null;
    rack: string | null;
    cidr: string;
    vlan: number | null;
    gateway: string | null;
    dns: string[];
    domain: string | null;
    description: string | null;
    created_at: Time;
  };
  network_reserved: { network: string; first: string; last: string; reason: string | null };
  site_outage: { site: string; since: Time; nodes: string[]; returning_since: OptionalTime };
  placement: {
    node: string | null;
    device: string | null;
    site: string;
    rack: string;
    face: 'front' | 'rear' | 'both';
    faces: string;
    units: string;
    lanes: Generated<string>;
    part: Placement['part'] | null;
    side: Placement['side'] | null;
    feeds: string[] | null;
    draw_w: number | null;
  };
  intended_mac: { mac: string; node: string };
  allocation: {
    address: string;
    network: string;
    node: string | null;
    interface: string;
    label: string;
    state: Generated<'active' | 'orphan' | 'quarantined'>;
    requested: Generated<boolean>;
    since: Time;
    until: OptionalTime;
  };
}
