import { execFileSync, spawn } from 'node:child_process';
import { type Ended, runProgram } from '../program.ts';

/** A network of its own, with a bridge that taps of guests join. Nothing of this machine's network is touched. */
export interface LabNetwork {
  name: string;
  /** Program and arguments that run another one in it. */
  inside: string[];
  /** Makes a tap on the bridge; answers its name. */
  tap(): string;
  run(program: string, args: string[], environment?: Record<string, string>, input?: string): Promise<Ended>;
  close(): void;
}

let made = 0;

/**
 * @param address of the bridge, CIDR: where the boot service is
 */
export function openNetwork(address: string): LabNetwork {
  const name = `mdb-lab-${process.pid}-${made++}`;
  const ip = (...args: string[]) => execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  ip('netns', 'add', name);
  const inside = ['ip', 'netns', 'exec', name];
  ip('-n', name, 'link', 'set', 'lo', 'up');
  ip(...['-n', name, 'link', 'add', 'br0', 'type', 'bridge', 'forward_delay', '0', 'stp_state', '0']);
  ip('-n', name, 'addr', 'add', address, 'dev', 'br0');
  ip('-n', name, 'link', 'set', 'br0', 'up');
  // iPXE waits 16 s for a router of IPv6 where there is none.
  ip('-n', name, 'addr', 'add', 'fd77::1/64', 'dev', 'br0', 'nodad');
  const router = spawn(
    inside[0]!,
    [
      ...inside.slice(1),
      'dnsmasq',
      '-k',
      '-C',
      '/dev/null',
      '--port=0',
      '--interface=br0',
      '--enable-ra',
      '--user=root',
    ].concat([
      '--dhcp-range=fd77::,ra-only,64,10m',
      '--ra-param=br0,4,600',
      '--dhcp-leasefile=/dev/null',
      '--pid-file=',
    ]),
    { stdio: 'ignore' },
  );
  const close = () => {
    process.removeListener('exit', close);
    router.kill('SIGKILL');
    ip('netns', 'delete', name);
  };
  process.once('exit', close);
  let taps = 0;
  return {
    name,
    inside,
    tap() {
      const tap = `tap${taps++}`;
      ip('-n', name, 'tuntap', 'add', tap, 'mode', 'tap');
      ip('-n', name, 'link', 'set', tap, 'master', 'br0', 'up');
      return tap;
    },
    run: (program, args, environment = {}, input) =>
      runProgram(inside[0]!, [...inside.slice(1), program, ...args], environment, input),
    close,
  };
}
