import { execFileSync } from 'node:child_process';
import { type LabNetwork, openNetwork } from './network.ts';

export const CENTRE = '10.78.0.1';

/** A network for the daemons behind another one: only a program with a foot in both, as a relay, gets from one to the other. */
export function openCentre(rack: LabNetwork): LabNetwork {
  const centre = openNetwork(`${CENTRE}/24`, { router: false });
  const ip = (...args: string[]) => execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const pair = ['link', 'add', 'rack', 'type', 'veth', 'peer', 'name', 'uplink', 'netns', rack.name];
  ip('-n', centre.name, ...pair);
  ip('-n', centre.name, 'link', 'set', 'rack', 'master', 'br0', 'up');
  ip('-n', rack.name, 'addr', 'add', CENTRE.replace(/1$/, '2/24'), 'dev', 'uplink');
  ip('-n', rack.name, 'link', 'set', 'uplink', 'up');
  return centre;
}
