import { escapePointer } from '../../shared/explain.ts';
import type { NewFinding } from '../intent/findings.ts';

/** A node's port, as people name it. */
export interface End {
  node: string;
  name: string;
  nic: string;
}

/** A cable that is intended, and where its node's port is. */
export interface Cable extends End {
  switch: string;
  port: string;
  /** The node has reported LLDP at all. */
  reports: boolean;
  /** The node has this port; undefined while it reports no ports. */
  present: boolean | undefined;
}

/** An interface hears a port. */
export interface Heard extends End {
  switch: string;
  port: string;
  /** The cable of this node's port, by its `nic`; undefined: none is intended. */
  own: string | undefined;
  /** Whose cable should be in that port. */
  owner: End | undefined;
}

const idOf = ({ node, nic }: Pick<End, 'node' | 'nic'>) => `${node} ${nic}`;
const plug = (end: { switch: string; port: string }) => `port ${end.port} of switch ${end.switch}`;

/**
 * Where cables are not as intended. Each finding names both ends; two that have changed places are one finding, of the end
 * that comes first.
 *
 * @param cables all cables of the nodes that are judged, and of those whose ports they are in
 * @param heard what all these nodes hear
 */
export function judge(cables: Cable[], heard: Heard[]): NewFinding[] {
  const plugs = Map.groupBy(heard, ({ node, own }) => idOf({ node, nic: own ?? '' }));
  const byEnd = new Map(cables.map((cable) => [idOf(cable), cable]));
  const isIn = (end: End, port: Pick<End, 'node' | 'nic'>) =>
    (plugs.get(idOf(end)) ?? []).some(({ owner }) => owner !== undefined && idOf(owner) === idOf(port));
  const wrong = cables.flatMap((cable) => {
    const hears = plugs.get(idOf(cable)) ?? [];
    if (hears.length === 0) return silent(cable);
    return isIn(cable, cable) ? [] : misplaced(cable, hears[0]!, byEnd, isIn);
  });
  const strangers = heard
    .filter(({ own, owner }) => own === undefined && owner !== undefined)
    .map((it): NewFinding => {
      const message = `${it.nic} of ${it.name} is in ${plug(it)}, where ${it.owner!.nic} of ${it.owner!.name} belongs`;
      return finding(it, 'unexpected', message, { got: place(it, it.owner!.node) });
    });
  return [...wrong, ...strangers];
}

type Check = (end: End, port: Pick<End, 'node' | 'nic'>) => boolean;

function misplaced(cable: Cable, at: Heard, byEnd: Map<string, Cable>, isIn: Check): NewFinding[] {
  const { owner } = at;
  const what = `${cable.nic} of ${cable.name} is in ${plug(at)}`;
  const details = { expected: place(cable), got: place(at, owner?.node) };
  if (owner === undefined) return [finding(cable, 'mismatch', `${what}: wanted ${plug(cable)}`, details)];
  const other = byEnd.get(idOf(owner));
  if (other === undefined || !isIn(other, cable)) {
    const message = `${what}, where ${owner.nic} of ${owner.name} belongs: wanted ${plug(cable)}`;
    return [finding(cable, 'mismatch', message, details)];
  }
  if (idOf(owner) < idOf(cable)) return [];
  const message = `cables are crossed: ${what}, and ${owner.nic} of ${owner.name} in ${plug(cable)}: change them round`;
  return [finding(cable, 'mismatch', message, details)];
}

/** A port that hears nothing: it is not there, its cable is missing, or nobody knows. */
function silent(cable: Cable): NewFinding[] {
  const { nic, name, reports, present } = cable;
  const details = { expected: place(cable) };
  if (!reports) {
    const message = `${name} reports no LLDP, so nobody knows where ${nic} is: wanted ${plug(cable)}`;
    return [finding(cable, 'unknown', message, details)];
  }
  const message =
    present === false
      ? `${name} has no port ${nic}, which is wanted in ${plug(cable)}`
      : `${nic} of ${name} hears no switch: its cable to ${plug(cable)} is missing, or that port is down`;
  return [finding(cable, 'missing', message, details)];
}

const place = (end: { switch: string; port: string }, peer?: string) => ({
  switch: end.switch,
  port: end.port,
  ...(peer === undefined ? {} : { peer }),
});

function finding(
  { node, nic }: End,
  kind: NewFinding['kind'],
  message: string,
  details: { expected?: unknown; got?: unknown },
): NewFinding {
  const severity = kind === 'unknown' ? 'info' : 'warning';
  return { node, section: 'cabling', path: `/${escapePointer(nic)}`, kind, severity, message, ...details };
}
