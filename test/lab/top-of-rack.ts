import { makeInitramfs } from './initramfs.ts';
import type { Guest } from './qemu.ts';
import { startGuest } from './qemu.ts';
import type { Site } from './site.ts';

/** Where the untagged side of the switch is, for the server and for operators. */
export const TOP_OF_RACK = '10.77.0.2';
/** An address that somebody else in VLAN 100 uses. */
export const TAKEN = '10.88.100.77';
/** VLANs that the switch has; it is .1 in 10.88.ID.0/24. */
export const VLANS = [100, 130, 200];

/**
 * A router with VLANs, as the top of a rack has: what it reaches in a VLAN has spoken with that tag. This kernel may have no
 * VLANs, a guest's has.
 */
export async function startTopOfRack(site: Site, kernel: { kernel: string; initrd: string }): Promise<Guest> {
  const hardware = [
    '-m 256 -device virtio-rng-pci',
    `-netdev tap,id=n0,ifname=${site.network.tap()},script=no,downscript=no`,
    '-device virtio-net-pci,netdev=n0,mac=52:54:00:4d:ff:01,romfile=',
    `-kernel ${kernel.kernel} -initrd ${kernel.initrd}`,
  ].flatMap((line) => line.split(' '));
  const guest = startGuest([...hardware, '-append', 'console=ttyS0,115200 quiet panic=-1'], site.network.inside);
  await guest.line(/LAB the switch is up/, 120_000);
  return guest;
}

/** What it runs. */
export function topOfRackInitramfs(directory: string) {
  const init = `modprobe 8021q
ip addr flush dev eth0
ip route flush dev eth0
ip addr add ${TOP_OF_RACK}/24 dev eth0
for id in ${VLANS.join(' ')}; do
  ip link add link eth0 name eth0.$id type vlan id $id
  ip addr add 10.88.$id.1/24 dev eth0.$id
  ip link set eth0.$id up
done
ip addr add 198.51.100.1/32 dev lo
ip addr add ${TAKEN}/24 dev eth0.100
echo 1 > /proc/sys/net/ipv4/ip_forward
echo LAB the switch is up
while :; do sleep 1000; done
`;
  return makeInitramfs(directory, '/bin/busybox', init, ['8021q']);
}
