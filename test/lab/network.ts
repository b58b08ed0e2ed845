import { execFileSync, spawn } from 'node:child_process';
import { type Ended, runProgram } from '../program.ts';

/** A network of its own, with a bridge that taps of guests join. Nothing of this machine's network is touched. */
export interface LabNetwork {
  name: string;
  /** Program and arguments that run another one in it. */
  inside: string[];
  /** Makes a tap on the bridge; answers its name. */
  tap(): string;
  /** Makes a tap whose cable ends in a port of another network, and nowhere else; answers its name. */
  wire(other: string, port: string): string;
  /** Another network that is joined to this one's bridge, with an address of its own: where an operator sits. */
  join(address: string): LabNetwork['run'];
  run(program: string, args: string[], environment?: Record<string, string>, input?: string): Promise<Ended>;
  close(): void;
}

let made = 0;

/**
 * @param address of the bridge, CIDR: where the boot service is
 * @param options `router: false` leaves router advertisements to the test
 */
export function openNetwork(address: string, options: { router?: boolean } = {}): LabNetwork {
  const name = `mdb-lab-${process.pid}-${made++}`;
  const ip = (...args: string[]) => execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  ip('netns', 'add', name);
  const joined: string[] = [];
  const inside = ['ip', 'netns', 'exec', name];
  ip('-n', name, 'link', 'set', 'lo', 'up');
  ip(...['-n', name, 'link', 'add', 'br0', 'type', 'bridge', 'forward_delay', '0', 'stp_state', '0']);
  ip('-n', name, 'addr', 'add', address, 'dev', 'br0');
  ip('-n', name, 'link', 'set', 'br0', 'up');
  // iPXE waits 16 s for a router of IPv6 where there is none.
  ip('-n', name, 'addr', 'add', 'fd77::1/64', 'dev', 'br0', 'nodad');
  const router =
    options.router === false
      ? undefined
      : spawn(
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
    router?.kill('SIGKILL');
    for (const place of [...joined, name]) ip('netns', 'delete', place);
  };
  process.once('exit', close);
  let taps = 0;
  const runIn =
    (place: string): LabNetwork['run'] =>
    (program, args, environment = {}, input) =>
      runProgram('ip', ['netns', 'exec', place, program, ...args], environment, input);
  return {
    name,
    inside,
    tap() {
      const tap = `tap${taps++}`;
      ip('-n', name, 'tuntap', 'add', tap, 'mode', 'tap');
      ip('-n', name, 'link', 'set', tap, 'master', 'br0', 'up');
      return tap;
    },
    wire(other, port) {
      const wire = `wire${taps}`;
      const tap = `tap${taps++}`;
      ip('-n', name, 'link', 'add', wire, 'type', 'bridge', 'forward_delay', '0', 'stp_state', '0');
      ip('-n', name, 'tuntap', 'add', tap, 'mode', 'tap');
      ip('-n', name, 'link', 'add', `${wire}p`, 'type', 'veth', 'peer', 'name', port, 'netns', other);
      for (const end of [tap, `${wire}p`]) ip('-n', name, 'link', 'set', end, 'master', wire, 'up');
      ip('-n', name, 'link', 'set', wire, 'up');
      ip('-n', other, 'link', 'set', port, 'up');
      return tap;
    },
    join(address) {
      const other = `${name}-${joined.length}`;
      ip('netns', 'add', other);
      joined.push(other);
      const port = `veth${joined.length}`;
      ip('-n', name, 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', other);
      ip('-n', name, 'link', 'set', port, 'master', 'br0', 'up');
      ip('-n', other, 'addr', 'add', address, 'dev', 'eth0');
      for (const link of ['lo', 'eth0']) ip('-n', other, 'link', 'set', link, 'up');
      return runIn(other);
    },
    run: runIn(name),
    close,
  };
}
