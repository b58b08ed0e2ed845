import { type Model, models } from './models.ts';

/** Where a machine of the lab stands, and what it is: a function of its number alone. */
export interface Place {
  model: Model;
  site: string;
  rack: string;
  unit: number;
  /** Machines below it in its rack, and so its port on both switches of the rack, from 0. */
  slot: number;
  fqdn: string;
}

export const RACK_HEIGHT = 42;
/** Each rack's feeds, and watts that each carries: one alone is too little for a rack of GPU servers. */
export const FEEDS = ['A', 'B'];
export const FEED_W = 22_000;

/** Racks as they follow one another: what stands in each, and how many. */
const racks = [
  { model: models.compute, machines: 16 },
  { model: models.gpu, machines: 4 },
  { model: models.storage, machines: 8 },
  { model: models.compute, machines: 16 },
  { model: models.gpu, machines: 4 },
  { model: models.edge, machines: 8 },
];
const MACHINES = racks.reduce((sum, { machines }) => sum + machines, 0);
const RACKS_PER_SITE = 24;

export function placeOf(index: number): Place {
  let slot = index % MACHINES;
  let at = 0;
  for (; slot >= racks[at]!.machines; at++) slot -= racks[at]!.machines;
  const number = Math.floor(index / MACHINES) * racks.length + at;
  const site = `lab${1 + Math.floor(number / RACKS_PER_SITE)}`;
  const rack = `r${1 + (number % RACKS_PER_SITE)}`;
  const { model } = racks[at]!;
  const fqdn = `${model.role}-${rack}-${String(slot + 1).padStart(2, '0')}.${site}.example.net`;
  return { model, site, rack, unit: 1 + slot * model.height, slot, fqdn };
}
