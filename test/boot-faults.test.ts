import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { away, bootAnswers, flipBit, isBootable, isUntouched, nextDiscover, replaceSignature } from './lab/faults.ts';
import { emptyDisk, type Machine, powerOn } from './lab/site.ts';
import { openStory, type Story } from './lab/story.ts';

/** How long the servers are away at each stage. */
const AWAY_MS = 120_000;
/**
 * How long after this firmware's first DHCPDISCOVER. It sends four, 4, 8 and 16 s apart, waits for 32 s, and then looks for another
 * way to boot: two are lost here, and a busy machine has 20 s to start the servers.
 */
const AFTER_FIRST_DISCOVER_MS = 8_000;
const CYCLES = 3;
const HOST = '10.77.0.22';
/** What the installed system says on its console first, and before it asks for a login. */
const BOOTING = /Welcome to .*Debian GNU\/Linux/;
const UP = /^Debian GNU\/Linux \d+ \S+ ttyS0/;

let story: Story;
beforeAll(async () => {
  story = await openStory({ ownImages: true });
}, 500_000);
afterAll(() => story?.close());

test('UEFI: servers that are away at every stage, a wrong signature, a flipped bit, a power cut, a boot loop: no dead end', async () => {
  const { site, show } = story;
  const { baseOs, discovery, directory } = site.images;
  const started = performance.now();
  const mark = (what: string) =>
    process.stderr.write(`FAULTS: ${what} after ${((performance.now() - started) / 1000).toFixed(0)} s\n`);
  const disk = emptyDisk(site, 'faults');
  const machine: Machine = { firmware: 'uefi', mac: '52:54:00:4d:01:03', serial: 'LAB-FAULTS-1', disk };
  let guest = powerOn(site, machine);
  try {
    await away(site, AFTER_FIRST_DISCOVER_MS, async () => {
      await nextDiscover(site, 120_000);
      await new Promise((resolve) => setTimeout(resolve, AFTER_FIRST_DISCOVER_MS));
    });
    mark('servers were away at power-on');
    await guest.line(/boot\/ipxe.* ok/, 240_000);
    await away(site, AWAY_MS, () => guest.line(/asked again in \d+ s/, 60_000));
    mark('servers were away while the loader fetched');
    await guest.line(new RegExp(`${discovery.files.initrd!.sha256}.* ok`), 240_000);
    await away(site, AWAY_MS, () => guest.line(/nobody answers DHCP/, 60_000));
    mark('servers were away before enrolment');
    const line = await guest.line(/this machine is node/, 120_000);
    const node = /node ([0-9a-f-]{36})/.exec(line)![1]!;
    const fingerprint = /key is (SHA256:\S+?),/.exec(line)![1]!;
    await expect.poll(async () => (await show(node)).macs, { timeout: 30_000 }).toContain(machine.mac);
    expect(await show(node)).toMatchObject({ state: 'discovered', level: 'claimed' });
    mark('discovered');

    const finding = async () => (await story.findings(node)).find(({ path }) => path === '/install')?.message;
    const begun = async () => (await story.acts(node, 'install.started')).length;
    const signature = await replaceSignature(site, baseOs.name, Buffer.alloc(64, 1).toString('base64'));
    await story.order(node, fingerprint, 'web3.lab.example.org', HOST);
    await expect
      .poll(finding, { timeout: 60_000 })
      .toBe(
        `install 1 failed: the signature of image ${baseOs.name} does not hold: it is not written; it is tried again`,
      );
    expect(isUntouched(disk)).toBe(true);
    expect(await begun()).toBe(0);
    mark('wrong signature refused');

    const file = baseOs.files.disk!;
    const stored = join(directory, 'files', file.sha256);
    const progress = async () =>
      (await site.get<{ install: { progress?: { percent?: number } } }>(`/v1/nodes/${node}`)).install.progress
        ?.percent ?? 0;
    await replaceSignature(site, baseOs.name, signature);
    await expect.poll(progress, { timeout: 120_000, interval: 300 }).toBeGreaterThan(0);
    flipBit(stored, Math.floor(file.size * 0.9));
    mark('writing, and a bit is flipped');
    // The boot service had found the file good: what comes is judged on the machine.
    await expect
      .poll(finding, { timeout: 240_000, interval: 2000 })
      .toMatch(
        new RegExp(`^install 1 failed: what came is not the file ${file.sha256} .* image verify .*it is tried again$`),
      );
    expect(isBootable(disk)).toBe(false);
    mark('flipped bit found out by the machine');
    // Asked again, the boot service looks at the file anew, and does not give it out.
    await expect
      .poll(finding, { timeout: 60_000, interval: 2000 })
      .toMatch(new RegExp(`^install 1 failed: .*${file.sha256}.* is damaged.* image verify .*it is tried again$`));
    expect(isBootable(disk)).toBe(false);
    // Asked for anew, its attempts are counted anew.
    await site.machinedb('reinstall', node, '--reason', 'the image is mended');
    flipBit(stored, Math.floor(file.size * 0.9));
    mark('flipped bit found out by the boot service');

    await expect.poll(progress, { timeout: 120_000, interval: 2000 }).toBeGreaterThan(20);
    const starts = await begun();
    await guest.close();
    mark('power cut while writing');
    guest = powerOn(site, machine);
    await expect.poll(begun, { timeout: 240_000, interval: 2500 }).toBe(starts + 1);
    await expect.poll(progress, { timeout: 120_000, interval: 2000 }).toBeGreaterThan(20);
    await away(site, AWAY_MS);
    mark('servers were away while writing');
    await guest.line(/installed: starting the disk/, 300_000);
    expect(await begun()).toBe(starts + 1);
    // Not sooner: what starts the disk comes from the boot service. Without it the firmware does, after minutes of HTTP boot.
    await guest.line(BOOTING, 240_000);
    expect(bootAnswers(site, machine.mac).at(-1)).toBe('local');
    await away(site, AWAY_MS, () => guest.line(UP, 240_000));
    mark('servers were away at the first boot from disk');
    await story.reach(node, 'active', 240_000);
    expect(await finding()).toBeUndefined();
    await expect.poll(async () => (await show(node)).health, { timeout: 120_000 }).toBe('ok');
    mark('active');

    for (let cycle = 1; cycle <= CYCLES; cycle++) {
      await guest.close();
      const before = bootAnswers(site, machine.mac).length;
      guest = powerOn(site, machine);
      await expect.poll(() => bootAnswers(site, machine.mac).slice(before), { timeout: 180_000 }).toEqual(['local']);
      expect((await show(node)).state).toBe('active');
    }
    mark(`${CYCLES} boots from the network`);
    await guest.line(UP, 240_000);
    const name = async () => await story.ssh(HOST, 'hostname -f').catch((error: Error) => error.message);
    await expect.poll(name, { timeout: 120_000 }).toBe('web3.lab.example.org\n');
    expect((await show(node)).state).toBe('active');
    expect(await begun()).toBe(starts + 1);
    expect(await story.ssh(HOST, 'cat /proc/1/comm; ls -d /sys/firmware/efi')).toBe('systemd\n/sys/firmware/efi\n');
    // Seconds after which a kernel that panics boots again: nobody stands beside it.
    expect(await story.ssh(HOST, 'cat /proc/sys/kernel/panic')).toBe('30\n');
    expect((await site.command('image', 'verify', baseOs.name)).stdout).toContain('is good');
    mark('it runs');
  } catch (error) {
    process.stderr.write(`${guest.console.slice(-60).join('\n')}\n`);
    throw error;
  } finally {
    await guest.close();
  }
}, 2_400_000);
