import { observe as disks } from './disks.ts';
import { observe as gpus } from './gpus.ts';
import { observe as hostname } from './hostname.ts';
import { observe as nics } from './nics.ts';
import { observe as os } from './os.ts';
import { observe as pci } from './pci.ts';

/** Every section the agent observes, in the order of a report. To add one: a file beside this one, and a line here. */
export const observers = {
  pci,
  nics,
  disks,
  gpus,
  os,
  hostname,
};
