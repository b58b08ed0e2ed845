import { observe as bgp } from './bgp.ts';
import { observe as bmc } from './bmc.ts';
import { observe as cpu } from './cpu.ts';
import { observe as disks } from './disks.ts';
import { observe as firmware } from './firmware.ts';
import { observe as gpus } from './gpus.ts';
import { observe as hostname } from './hostname.ts';
import { observe as lldp } from './lldp.ts';
import { observe as memory } from './memory.ts';
import { observe as network } from './network.ts';
import { observe as nics } from './nics.ts';
import { observe as numa } from './numa.ts';
import { observe as os } from './os.ts';
import { observe as pci } from './pci.ts';
import { observe as repos } from './repos.ts';
import { observe as ssh } from './ssh.ts';
import { observe as system } from './system.ts';
import { observe as time } from './time.ts';
import { observe as tpm } from './tpm.ts';

/** Every section the agent observes, in the order of a report. To add one: a file beside this one, and a line here. */
export const observers = {
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
};
