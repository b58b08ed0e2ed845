import type { BgpWanted } from '../../shared/sections/bgp.ts';
import type { Run } from '../command.ts';

/** What bgpd says of a neighbour (`show bgp neighbors json`), as far as it matters here. */
interface Session {
  bgpState?: string;
  remoteAs?: number;
  localAs?: number;
  lastResetDueTo?: string;
  lastNotificationReason?: string;
  messageStats?: { notificationsSent?: number; notificationsRecv?: number };
}

/**
 * Which wanted neighbour has no established session (RFC 4271, 8.2.2), and why as far as bgpd knows, in words; undefined: all
 * have one. A session takes some seconds after a reload, so ask again until a deadline.
 *
 * @param run runs vtysh; one call
 * @returns such as `BGP neighbour 10.0.0.1 (AS 65001) is Active: ...`
 */
export function establishedProblem(run: Run, wanted: BgpWanted): string | undefined {
  const neighbors = Object.entries(wanted.neighbors ?? {});
  if (neighbors.length === 0) return undefined;
  const { status, stdout, stderr } = run('vtysh', ['-c', `show bgp vrf ${wanted.vrf ?? 'default'} neighbors json`]);
  const sessions = status === 0 ? parse(stdout) : undefined;
  if (sessions === undefined) return `bgpd does not tell its sessions: ${(stderr || stdout).trim().slice(-300)}`;
  for (const [key, { remote_as }] of neighbors) {
    const session = sessions[key];
    if (session?.bgpState === 'Established') continue;
    if (session === undefined) return `BGP neighbour ${key} is not known to bgpd`;
    const as = typeof remote_as === 'number' ? remote_as : session.remoteAs || remote_as;
    return `BGP neighbour ${key} (AS ${as}) is ${session.bgpState}: ${reasonOf(session, as)}`;
  }
  return undefined;
}

function parse(text: string): Record<string, Session | undefined> | undefined {
  try {
    return JSON.parse(text) as Record<string, Session | undefined>;
  } catch {
    return undefined;
  }
}

function reasonOf(session: Session, as: number | string): string {
  const { lastResetDueTo = 'no reason given', lastNotificationReason, localAs } = session;
  const { notificationsSent = 0, notificationsRecv = 0 } = session.messageStats ?? {};
  if (lastNotificationReason?.includes('Bad Peer AS')) {
    const which = /send|sent/.test(lastResetDueTo) ? `it is not AS ${as}` : `it does not take us as AS ${localAs}`;
    return `${which} (${lastNotificationReason})`;
  }
  if (lastNotificationReason !== undefined) return `${lastResetDueTo} (${lastNotificationReason})`;
  // bgpd forgets the reason while it tries again; that it is an AS number would be a guess.
  if (notificationsRecv > 0) return `${lastResetDueTo}, and it has ended sessions ${times(notificationsRecv)}`;
  if (notificationsSent > 0) return `${lastResetDueTo}, and we have ended sessions ${times(notificationsSent)}`;
  return lastResetDueTo;
}

const times = (count: number) => (count === 1 ? 'once' : `${count} times`);
