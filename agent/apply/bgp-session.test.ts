import { expect, test } from 'vitest';
import type { Run } from '../command.ts';
import { wantedOf } from '../testing/frr/intents.ts';
import { establishedProblem } from './bgp-session.ts';

const wanted = wantedOf({
  asn: 65101,
  vrf: 'blue',
  neighbors: {
    tor: { address: '10.1.1.1', remote_as: 65001 },
    leaf: { interface: 'uplink1', remote_as: 'external' },
  },
});
const up = { bgpState: 'Established', remoteAs: 65001, localAs: 65101, lastResetDueTo: 'Waiting for peer OPEN' };

/** What is said when bgpd (FRR 8.4.4) says this. */
function problem(tor: object | undefined, leaf: object | undefined = up) {
  const commands: string[] = [];
  const run: Run = (command, args) => {
    commands.push([command, ...args].join(' '));
    return { status: 0, stdout: JSON.stringify({ vrfId: 5, '10.1.1.1': tor, ens1f0: leaf }), stderr: '' };
  };
  const said = establishedProblem(run, wanted);
  expect(commands).toEqual(['vtysh -c show bgp vrf blue neighbors json']);
  return said;
}

const notified = { localAs: 65101, lastNotificationReason: 'OPEN Message Error/Bad Peer AS' };

test.each([
  ['all up', up, up, undefined],
  [
    'no answer',
    { bgpState: 'Active', lastResetDueTo: 'Waiting for peer OPEN', messageStats: { notificationsRecv: 0 } },
    up,
    'BGP neighbour 10.1.1.1 (AS 65001) is Active: Waiting for peer OPEN',
  ],
  [
    'it refuses our AS number',
    { ...notified, bgpState: 'Idle', lastResetDueTo: 'BGP Notification received' },
    up,
    'BGP neighbour 10.1.1.1 (AS 65001) is Idle: it does not take us as AS 65101 (OPEN Message Error/Bad Peer AS)',
  ],
  [
    'it has another AS number',
    { ...notified, bgpState: 'Idle', lastResetDueTo: 'BGP Notification send' },
    up,
    'BGP neighbour 10.1.1.1 (AS 65001) is Idle: it is not AS 65001 (OPEN Message Error/Bad Peer AS)',
  ],
  [
    'refused, and tried again meanwhile',
    up,
    {
      bgpState: 'Active',
      remoteAs: 65007,
      localAs: 65101,
      lastResetDueTo: 'Waiting for peer OPEN',
      messageStats: { notificationsSent: 0, notificationsRecv: 4 },
    },
    'BGP neighbour ens1f0 (AS 65007) is Active: Waiting for peer OPEN, and it has ended sessions 4 times',
  ],
  [
    'nobody on the link yet',
    up,
    { bgpState: 'Idle', remoteAs: 0, lastResetDueTo: 'Waiting for Peer IPv6 LLA' },
    'BGP neighbour ens1f0 (AS external) is Idle: Waiting for Peer IPv6 LLA',
  ],
  [
    'another notification',
    {
      bgpState: 'Idle',
      lastResetDueTo: 'BGP Notification received',
      lastNotificationReason: 'Cease/Peer De-configured',
    },
    up,
    'BGP neighbour 10.1.1.1 (AS 65001) is Idle: BGP Notification received (Cease/Peer De-configured)',
  ],
  ['not there', undefined, up, 'BGP neighbour 10.1.1.1 is not known to bgpd'],
])('%s', (_, tor, leaf, said) => {
  expect(problem(tor, leaf)).toBe(said);
});

test('bgpd that does not answer', () => {
  const run: Run = () => ({ status: 1, stdout: '', stderr: 'Exiting: failed to connect to any daemons.\n' });
  expect(establishedProblem(run, wanted)).toBe(
    'bgpd does not tell its sessions: Exiting: failed to connect to any daemons.',
  );
  expect(establishedProblem(run, wantedOf({ asn: 65101 }))).toBeUndefined();
});
