import { bgp } from './bgp.ts';
import { bmc } from './bmc.ts';
import { cloudInit } from './cloud-init.ts';
import { cpu } from './cpu.ts';
import { disks } from './disks.ts';
import { firmware } from './firmware.ts';
import { gpus } from './gpus.ts';
import { hostname } from './hostname.ts';
import { image } from './image.ts';
import { lldp } from './lldp.ts';
import { memory } from './memory.ts';
import { mode } from './mode.ts';
import { network } from './network.ts';
import { nics } from './nics.ts';
import { numa } from './numa.ts';
import { os } from './os.ts';
import { pci } from './pci.ts';
import { placement } from './placement.ts';
import { repos } from './repos.ts';
import { role } from './role.ts';
import { ssh } from './ssh.ts';
import { system } from './system.ts';
import { tags } from './tags.ts';
import { time } from './time.ts';
import { tpm } from './tpm.ts';

/** Every section there is: `observed` is what machines report, `intended` what people want. */
export const sections = {
  system,
  cpu,
  numa,
  memory,
  pci,
  nics,
  lldp,
  disks,
  gpus,
  firmware,
  bmc,
  tpm,
  os,
  hostname,
  network,
  bgp,
  ssh,
  repos,
  time,
  placement,
  role,
  tags,
  image,
  cloud_init: cloudInit,
  mode,
};
export type SectionName = keyof typeof sections;
