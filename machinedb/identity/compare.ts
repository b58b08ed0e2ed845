import { otherByteOrder } from '../enrol/match.ts';
import type { Hardware } from '../schema.ts';

export type EvidenceKind = 'uuid' | 'serial' | 'board' | 'chassis' | 'dimms' | 'macs' | 'disk';

/** What one thing says about whether two descriptions are of one machine. */
export interface Evidence {
  kind: EvidenceKind;
  /** Points for it, and how many there could be. */
  points: number;
  of: number;
  why: string;
}

/** Why a score that is high enough does not make two descriptions one machine. */
export type Contradiction = 'twin' | 'copied disk' | 'other cards' | 'moved parts';

export interface Comparison {
  score: number;
  /** Points that speak against it: of things that both have, and that differ. */
  against: number;
  evidence: Evidence[];
  contradiction?: Contradiction;
}

/** Weights of Digital Rebar's fingerprint. A serial number counts like the chassis', which it mostly is. */
const WEIGHTS = { uuid: 50, serial: 25, board: 25, chassis: 25, dimms: 100, macs: 100, disk: 1000 } as const;

/** Parts that a machine shares with no other; the rest may be an enclosure's, and the same for all machines in it. */
const OWN: ReadonlySet<EvidenceKind> = new Set(['board', 'dimms', 'macs']);

interface Weighed extends Evidence {
  against: number;
}

/**
 * How surely a machine is the one on record, and what that follows from. Pure; both are as identifying() leaves them.
 *
 * @param common identifiers (as hintsOf() writes them) that many machines have: they say nothing
 */
export function compare(
  claimed: Hardware,
  known: { id: string; hardware: Hardware },
  common: ReadonlySet<string>,
): Comparison {
  const a = withoutCommon(claimed, common);
  const b = withoutCommon(known.hardware, common);
  const otherVendor = a.vendor !== undefined && b.vendor !== undefined && a.vendor !== b.vendor;
  // Many boards repeat the system's serial number as the chassis': one number is not two witnesses.
  const repeated = a.chassis_serial === a.serial && b.chassis_serial === b.serial;
  const evidence = [
    single('uuid', a.uuid, b.uuid, (x, y) => x === y || x === otherByteOrder(y)),
    single('serial', a.serial, b.serial, (x, y) => x === y && !otherVendor),
    single('board', a.board_serial, b.board_serial),
    repeated ? undefined : single('chassis', a.chassis_serial, b.chassis_serial),
    several('dimms', a.dimms ?? [], b.dimms ?? []),
    several('macs', a.macs ?? [], b.macs ?? []),
    a.disk === undefined ? undefined : disk(a.disk === known.id),
  ].filter((each) => each !== undefined);
  const sum = (of: 'points' | 'against') => evidence.reduce((total, each) => total + each[of], 0);
  const contradiction = contradictionIn(evidence);
  return {
    score: sum('points'),
    against: sum('against'),
    evidence: evidence.map(({ against: _, ...shown }) => shown),
    ...(contradiction === undefined ? {} : { contradiction }),
  };
}

function contradictionIn(evidence: Weighed[]): Contradiction | undefined {
  const onDisk = evidence.some(({ kind, points }) => kind === 'disk' && points > 0);
  const hardware = evidence.filter(({ kind }) => kind !== 'disk');
  const own = hardware.filter(({ kind }) => OWN.has(kind));
  const total = (of: Weighed[], key: 'points' | 'against') => of.reduce((sum, each) => sum + each[key], 0);
  const nothingOwn = own.length > 0 && total(own, 'points') === 0;
  const differs = total(hardware, 'points') < total(hardware, 'against');
  if (onDisk) return nothingOwn || (own.length === 0 && differs) ? 'copied disk' : undefined;
  if (nothingOwn) return own.length > 1 || own[0]!.kind === 'board' ? 'twin' : 'other cards';
  return differs ? 'moved parts' : undefined;
}

function single(
  kind: 'uuid' | 'serial' | 'board' | 'chassis',
  a: string | undefined,
  b: string | undefined,
  same: (a: string, b: string) => boolean = (x, y) => x === y,
): Weighed | undefined {
  if (a === undefined || b === undefined) return undefined;
  const of = WEIGHTS[kind];
  return same(a, b)
    ? { kind, points: of, of, against: 0, why: a === b ? `both say ${a}` : `${a} is ${b} in the other byte order` }
    : { kind, points: 0, of, against: of, why: a === b ? `${a} of two vendors` : `${a}, and on record ${b}` };
}

function several(kind: 'dimms' | 'macs', a: string[], b: string[]): Weighed | undefined {
  if (a.length === 0 || b.length === 0) return undefined;
  const of = WEIGHTS[kind];
  const both = a.filter((each) => b.includes(each)).length;
  const points = Math.round((of * both) / Math.max(a.length, b.length));
  // What one side does not see (a port without driver, an older agent's list) is missing, not different.
  const against = Math.round(of * (1 - both / Math.min(a.length, b.length)));
  return { kind, points, of, against, why: `${both} in common, of ${a.length} and ${b.length} on record` };
}

function disk(same: boolean): Weighed | undefined {
  if (!same) return undefined;
  const of = WEIGHTS.disk;
  return { kind: 'disk', points: of, of, against: 0, why: 'its disk carries the identity of this node' };
}

function withoutCommon(hardware: Hardware, common: ReadonlySet<string>): Hardware {
  const unless = (kind: string, value: string | undefined) => (common.has(`${kind}:${value}`) ? undefined : value);
  return {
    ...hardware,
    uuid: unless('uuid', hardware.uuid),
    serial: unless('serial', hardware.serial),
    board_serial: unless('board', hardware.board_serial),
    chassis_serial: unless('chassis', hardware.chassis_serial),
    macs: (hardware.macs ?? []).filter((mac) => !common.has(`mac:${mac}`)),
    dimms: (hardware.dimms ?? []).filter((dimm) => !common.has(`dimm:${dimm}`)),
  };
}
