import { disks } from './disks.ts';
import { gpus } from './gpus.ts';
import { hostname } from './hostname.ts';
import { image } from './image.ts';
import { mode } from './mode.ts';
import { nics } from './nics.ts';
import { os } from './os.ts';
import { pci } from './pci.ts';
import { placement } from './placement.ts';
import { role } from './role.ts';
import { tags } from './tags.ts';

/** Every section there is: `observed` is what machines report, `intended` what people want. */
export const sections = {
  pci,
  nics,
  disks,
  gpus,
  os,
  hostname,
  placement,
  role,
  tags,
  image,
  mode,
};
export type SectionName = keyof typeof sections;
