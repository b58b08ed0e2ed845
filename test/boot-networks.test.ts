import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Suite } from '../images/base-os/packages.ts';
import { type Installed, installedDisk, powerOnInstalled, type Recipe, rootOf } from './lab/installed.ts';
import { openRack, type Rack } from './lab/rack.ts';
import { VLANS } from './lab/top-of-rack.ts';
import { until } from './lab/until.ts';
import { agentExecutable } from './program.ts';

const suites: Suite[] = ['bullseye', 'bookworm', 'trixie'];
let rack: Rack;
/** The releases' roots, made one after another while the machines of those before run. Who needs one is told when that fails. */
let roots: Promise<unknown>;

beforeAll(async () => {
  roots = suites
    .reduce<Promise<unknown>>((last, suite) => last.then(() => rootOf(suite)), Promise.resolve())
    .catch(() => {});
  rack = await openRack();
}, 900_000);
afterAll(async () => {
  await roots;
  await rack?.close();
}, 900_000);

const ifupdown: Recipe = {
  files: {
    '/etc/network/interfaces': 'source /etc/network/interfaces.d/*\n\nauto lo\niface lo inet loopback\n',
    '/etc/network/interfaces.d/machinedb': 'auto enp0s16\niface enp0s16 inet dhcp\n',
  },
  // As systemctl disable leaves it.
  remove: [
    '/etc/systemd/system/multi-user.target.wants/systemd-networkd.service',
    '/etc/systemd/system/sockets.target.wants/systemd-networkd.socket',
    '/etc/systemd/system/network-online.target.wants/systemd-networkd-wait-online.service',
  ],
};

/** What each renderer's image says of the network before MachineDB does. */
const recipes: Record<string, Recipe> = {
  networkd: {},
  netplan: {
    files: {
      '/etc/netplan/50-image.yaml':
        'network:\n  version: 2\n  ethernets:\n    enp0s16: {dhcp4: true}\n    enp0s17: {dhcp4: false}\n',
    },
    remove: ['/etc/systemd/network/90-machinedb-default.network'],
  },
  ifupdown,
  ifupdown2: { ...ifupdown, ifupdown2: true },
};
/** The file, or how its files begin, that is ours. */
const ownFile: Record<string, string> = {
  networkd: '/etc/systemd/network/10-machinedb-',
  netplan: '/etc/netplan/90-machinedb.yaml',
  ifupdown: '/etc/network/interfaces.d/machinedb',
  ifupdown2: '/etc/network/interfaces.d/machinedb',
};
/** Nothing here speaks BGP, and FRR takes its time to start. */
const FRR = '/etc/systemd/system/multi-user.target.wants/frr.service';

/** From the next boot on the second port comes late, as one does that loads firmware. */
const LATE_PORT =
  'echo "install e1000e /bin/sleep 15; /sbin/modprobe --ignore-install e1000e" > /etc/modprobe.d/late.conf; sync';

const digest = () => createHash('sha256').update(readFileSync(agentExecutable)).digest('hex');
const machines = suites.flatMap((suite, i) =>
  Object.keys(recipes).map((renderer, j) => ({ suite, renderer, number: 10 * i + j })),
);

test.concurrent.each(machines)(
  '$suite with $renderer: a bond with two VLANs, a bridge and a static route; the same after a reboot',
  async ({ suite, renderer, number }) => {
    const { site, ssh, acts, reaches } = rack;
    const serial = `NET-${suite}-${renderer}`;
    const { remove = [], ...rest } = recipes[renderer]!;
    const recipe = { ...rest, remove: [...remove, FRR] };
    const machine: Installed = {
      ...(await installedDisk(site, serial, suite, recipe)),
      serial,
      macs: [`52:54:00:4d:03:${hex(number)}`, `52:54:00:4d:04:${hex(number)}`],
    };
    const taps = [site.network.tap(), site.network.tap()];
    let guest = powerOnInstalled(site, machine, taps);
    try {
      const name = `${renderer}-${suite}.lab.example.org`;
      const node = await rack.admit(serial, name);
      const addresses = await rack.addresses(node);
      const main = addresses[100]!;
      const look = async () => {
        for (const id of VLANS) expect({ id, reached: await reaches(addresses[id]!) }).toEqual({ id, reached: true });
        const seen = await ssh(
          main,
          `hostname -f; ip -o route get 198.51.100.1; sha256sum < /usr/bin/machinedb-agent; ${OWN_FILES}`,
        );
        expect(seen).toMatch(
          new RegExp(`^${name}\\n198\\.51\\.100\\.1 via 10\\.88\\.200\\.1 dev storage .*\\n${digest()}  -\\n`),
        );
        return seen;
      };
      const files = await look();
      expect(files).toContain(ownFile[renderer]);
      if (renderer === 'ifupdown2') await ssh(main, LATE_PORT);
      await guest.close();
      guest = powerOnInstalled(site, machine, taps);
      await until(
        async () => await look().catch(String),
        (seen) => seen === files,
        { ms: 240_000 },
      );
      // The newest come first, and are told whole: a system that is as it was is not configured anew.
      const applied = await acts(node, 'apply.applied');
      expect(applied.slice(0, -1)).toEqual([]);
      expect(applied).toHaveLength(1);
    } catch (error) {
      process.stderr.write(`${guest.console.slice(-40).join('\n')}\n`);
      throw error;
    } finally {
      await guest.close();
    }
  },
  900_000,
);

const OWN_FILES =
  'sha256sum /etc/systemd/network/10-machinedb-* /etc/netplan/90-machinedb.yaml /etc/network/interfaces.d/machinedb 2>/dev/null; true';

const hex = (number: number) => number.toString(16).padStart(2, '0');
