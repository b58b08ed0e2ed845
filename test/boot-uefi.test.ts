import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BROWNFIELD, writeBrownfield } from './lab/brownfield.ts';
import { emptyDisk, type Machine, powerOn } from './lab/site.ts';
import { openStory, type Story } from './lab/story.ts';

let story: Story;
beforeAll(async () => {
  story = await openStory();
}, 500_000);
afterAll(() => story?.close());

const HOST = '10.77.0.21';

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

test('UEFI: a brownfield machine is left alone, and asked for an install it is written over only with --wipe', async () => {
  const { site, show } = story;
  const started = performance.now();
  const mark = (what: string) =>
    process.stderr.write(`UEFI: ${what} after ${((performance.now() - started) / 1000).toFixed(0)} s\n`);
  const disk = emptyDisk(site, 'uefi');
  writeBrownfield(site, disk);
  const before = await digestOf(disk);
  const machine: Machine = { firmware: 'uefi', mac: '52:54:00:4d:01:02', serial: 'LAB-UEFI-1', disk };
  const { node, fingerprint, guest } = await story.discover(machine);
  let running = guest;
  try {
    mark('discovered');
    await guest.line(/a disk of this machine holds data: it starts that now/, 60_000);
    await guest.line(new RegExp(BROWNFIELD), 300_000);
    mark('its own system runs');
    const log = site.harness.daemons[0].log.flatMap((line) =>
      line.startsWith('{') ? [JSON.parse(line) as object] : [],
    );
    expect(log).toContainEqual(expect.objectContaining({ msg: 'TFTP', file: 'snponly.efi', whole: true }));
    expect(await digestOf(disk)).toBe(before);
    expect(await show(node)).toMatchObject({ state: 'discovered', level: 'claimed' });
    const boot = await site.machinedb('boot', 'explain', '--mac', machine.mac, '--arch', '7');
    expect(boot).toMatchObject({ spec: { kind: 'local' }, reason: 'it has an operating system of its own', node });

    // Without --wipe the disk is not touched, and the finding says what to do.
    await story.order(node, fingerprint, 'web2.lab.example.org', HOST);
    await running.close();
    running = powerOn(site, machine);
    const finding = async () => (await story.findings(node)).find(({ path }) => path === '/install')?.message;
    await expect
      .poll(finding, { timeout: 240_000, interval: 2500 })
      .toContain('holds data: ask again with --wipe if it may be lost; it is tried again');
    expect(await digestOf(disk)).toBe(before);
    mark('refused to write over data');
    await site.machinedb('reinstall', node, '--wipe', '--reason', 'nobody needs it any more');
    await expect.poll(() => digestOf(disk), { timeout: 120_000, interval: 5000 }).not.toBe(before);
    expect(await story.acts(node, 'install.started')).toHaveLength(1);
    mark('asked for with --wipe, written over');
  } catch (error) {
    process.stderr.write(`${running.console.slice(-60).join('\n')}\n`);
    throw error;
  } finally {
    await running.close();
  }
}, 900_000);
