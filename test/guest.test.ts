import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import type { Pci } from '../shared/sections/pci.ts';
import { report } from './guest-report.ts';
import { type DaemonProcess, startHarness } from './harness.ts';
import { makeInitramfs } from './lab/initramfs.ts';
import { lldpd, startSwitch, startTpm } from './lab/peripherals.ts';
import { startGuest } from './lab/qemu.ts';

const root = join(import.meta.dirname, '..');
const executable = join(root, 'dist/machinedb-agent');

// In QEMU's user network the host's loopback is 10.0.2.2, and nothing of the host's own network is touched.
const init = `
echo "LAB year $(date +%Y)"
echo "LAB sha256 $(sha256sum /machinedb-agent | cut -d' ' -f1)"
for word in $(cat /proc/cmdline); do case $word in server=*|pin=*) export $word;; esac; done
for module in tpm_crb ipmi_si ipmi_devintf; do modprobe $module; done
ip link set eth1 up
mkdir -p /etc /run/lldpd /usr/sbin
ln -s /sbin/lldpctl /usr/sbin/lldpcli
echo '_lldpd:x:900:900::/run/lldpd:/bin/false' > /etc/passwd; echo '_lldpd:x:900:' > /etc/group
lldpd -d -I eth1 -u /run/lldpd.socket >/dev/null 2>&1 &
until lldpctl -f keyvalue 2>/dev/null | grep -q chassis; do usleep 200000; done
echo "LAB neighbour"
( until [ -e /state/wanted.json ]; do usleep 200000; done; echo "LAB wanted" ) &
/machinedb-agent run --server $server --pin $pin --state /state
echo "LAB ended"
poweroff -f
`;

const hardware = [
  '-m 1024 -smp 4,sockets=2,cores=2,threads=1',
  '-object memory-backend-ram,id=m0,size=512M -object memory-backend-ram,id=m1,size=512M',
  '-numa node,nodeid=0,cpus=0-1,memdev=m0 -numa node,nodeid=1,cpus=2-3,memdev=m1 -numa dist,src=0,dst=1,val=21',
  '-rtc base=1970-01-01T00:00:00',
  '-smbios type=0,vendor=LabBios,version=7.7,date=06/07/2023 -smbios type=1,manufacturer=LabMaker,product=LabServer,version=V1,sku=LAB-SKU-1,family=LabFamily,serial=LAB-SYS-1,uuid=11111111-2222-3333-4444-555555555555',
  '-smbios type=2,manufacturer=LabMaker,product=LabBoard,version=V2,serial=LAB-BOARD-1,asset=LAB-ASSET-2',
  '-smbios type=3,manufacturer=LabMaker,version=V3,serial=LAB-CHASSIS-1,asset=LAB-ASSET-3',
  '-smbios type=17,manufacturer=LabDimms,serial=LAB-DIMM-1,part=LAB-PART-1,speed=3200,loc_pfx=DIMM_A',
  '-netdev user,id=n0,restrict=off -device virtio-net-pci,netdev=n0,mac=52:54:00:4d:44:01,romfile=',
  '-device pcie-root-port,id=root,bus=pcie.0,addr=10.0,chassis=1,slot=1 -device x3130-upstream,id=up,bus=root',
  '-device xio3130-downstream,id=left,bus=up,chassis=2,slot=2 -device xio3130-downstream,id=right,bus=up,chassis=2,slot=3',
  '-device e1000e,netdev=n1,mac=52:54:00:4d:44:02,romfile=,bus=right',
  '-device ipmi-bmc-sim,id=bmc0 -device isa-ipmi-kcs,bmc=bmc0',
  '-tpmdev emulator,id=tpm0,chardev=tpm -device tpm-crb,tpmdev=tpm0',
]
  .join(' ')
  .split(' ');

test('a machine that boots in 1970 reports by the shipped executable exactly the hardware it was given', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-guest-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const { kernel, initrd } = makeInitramfs(
    directory,
    executable,
    init,
    ['tpm_crb', 'ipmi_si', 'ipmi_devintf'],
    lldpd(),
  );
  const [tpm, cable] = [await startTpm(directory), await startSwitch()];
  onTestFinished(tpm.close);
  onTestFinished(cable.close);
  const harness = await startHarness();
  onTestFinished(harness.close);
  const disk = join(directory, 'disk');
  writeFileSync(disk, '');
  truncateSync(disk, 64 * 1024 * 1024);
  const [{ url, pins }] = harness.daemons;
  const append = `console=ttyS0 quiet server=https://10.0.2.2:${new URL(url).port} pin=${pins.join(',')}`;
  const guest = startGuest([
    ...hardware,
    ...['-netdev', cable.netdev, '-chardev', tpm.chardev],
    ...`-drive file=${disk},if=none,id=d0,format=raw -device nvme,drive=d0,serial=LAB-NVME-1,bus=left`.split(' '),
    ...['-kernel', kernel, '-initrd', initrd, '-append', append],
  ]);
  onTestFinished(guest.close);
  expect(await guest.line(/LAB year/, 240_000)).toContain('LAB year 1970');
  const digest = createHash('sha256').update(readFileSync(executable)).digest('hex');
  expect(await guest.line(/LAB sha256/, 120_000)).toContain(digest);
  const enrolled = await guest.line(/this machine is node/, 240_000);
  const node = /node ([0-9a-f-]{36})/.exec(enrolled)![1]!;
  await expect
    .poll(async () => (await harness.call('getObserved', { params: { node }, query: {} })).sections, {
      timeout: 60_000,
      interval: 500,
    })
    .toHaveProperty('nics');
  const { sections, errors } = await harness.call('getObserved', { params: { node }, query: {} });
  expect(errors).toEqual({});
  expect(sections).toEqual(report);
  // Two functions behind one switch: each ends a way of root port, upstream port, downstream port.
  const pci = sections.pci as Pci;
  const wayTo = (pciClass: string) => {
    const [end] = Object.entries(pci).find(([, each]) => each.class === pciClass && each.parent !== undefined)!;
    const way = [end];
    for (let above = pci[end]?.parent; above !== undefined; above = pci[above]?.parent) way.unshift(above);
    return way;
  };
  const [toDisk, toPort] = [wayTo('0x010802'), wayTo('0x020000')];
  expect([toDisk.length, toPort.length]).toEqual([4, 4]);
  expect(toDisk[0]).toBe('0000:00:10.0');
  expect(toDisk.slice(0, 2)).toEqual(toPort.slice(0, 2));
  expect(toDisk.slice(0, 3).map((each) => pci[each]?.class)).toEqual(['0x060400', '0x060400', '0x060400']);
  const least = { expected_speed_gts: 2.5, expected_width: 1 };
  expect(pci[toDisk[3]!]).toMatchObject({ driver: 'nvme', vendor: '0x1b36', device: '0x0010', link: least });
  expect(pci[toPort[3]!]).toMatchObject({ driver: 'e1000e', vendor: '0x8086', device: '0x10d3', link: least });
  for (const each of Object.values(pci)) expect(each.link?.degraded).toBeUndefined();

  const look = async () => await harness.call('getNode', { params: { node }, query: {} });
  expect(await look()).toMatchObject({ state: 'discovered', level: 'claimed', mode: 'observe' });
  await machinedb(harness.daemons[1], 'assign', node, '--tags', 'lab', '--reason', 'before it is trusted', '--yes');
  const beat = (await look()).seen_at;
  await expect.poll(async () => (await look()).seen_at, { timeout: 60_000 }).not.toBe(beat);
  expect((await look()).tags).toEqual(['lab']);
  expect(guest.console).not.toContain('LAB wanted');

  const fingerprint = /key is (SHA256:\S+?),/.exec(enrolled)![1]!;
  const approve = (key: string) =>
    machinedb(harness.daemons[0], 'approve', node, '--fingerprint', key, '--reason', 'seen on its console', '--yes');
  await expect(approve(`SHA256:${'A'.repeat(43)}`)).rejects.toMatchObject({ code: 4 });
  await approve(fingerprint);
  await guest.line(/^LAB wanted/, 120_000);
  await expect.poll(async () => (await look()).state, { timeout: 60_000 }).toBe('active');
  expect(await look()).toMatchObject({ level: 'approved' });
}, 600_000);

async function machinedb(daemon: DaemonProcess, ...argv: string[]): Promise<void> {
  const env = { PATH: process.env.PATH ?? '', MACHINEDB_URL: daemon.url, MACHINEDB_STATE: daemon.stateDirectory };
  await promisify(execFile)(join(root, 'machinedb/bin/machinedb'), argv, { env });
}
