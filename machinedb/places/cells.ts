import { fractionOf, type Placement } from '../../shared/sections/placement.ts';

/** What something takes of a rack, as ranges of PostgreSQL: two things never share a point of all three. */
export interface Cells {
  units: string;
  faces: string;
  lanes: string;
}

const faces = { front: '[1,1]', rear: '[2,2]', both: '[1,2]' } as const;
const LANES = 12;

/** Undefined: it stands in no unit, and takes nothing. */
export function cellsOf(standing: Pick<Placement, 'unit' | 'height' | 'face' | 'part' | 'side'>): Cells | undefined {
  const { unit, height = 1, face = 'both', part, side } = standing;
  if (unit === undefined && side === undefined) return undefined;
  const units = unit === undefined ? '[1,)' : `[${unit},${unit + height - 1}]`;
  return { units, faces: faces[face], lanes: lanesOf(part, side) };
}

function lanesOf(part: Placement['part'], side: Placement['side']): string {
  if (side !== undefined) return side === 'left' ? '[0,0]' : `[${LANES + 1},${LANES + 1}]`;
  const [at, of] = fractionOf(part);
  const width = LANES / of;
  return `[${(at - 1) * width + 1},${at * width}]`;
}
