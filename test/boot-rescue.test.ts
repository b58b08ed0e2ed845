import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BROWNFIELD, writeBrownfield } from './lab/brownfield.ts';
import { type Operator, openOperator } from './lab/operator.ts';
import type { Guest } from './lab/qemu.ts';
import { catalogue, emptyDisk, type Machine, openSite, powerOn, type Site } from './lab/site.ts';

let site: Site;
let person: Operator;
beforeAll(async () => {
  site = await openSite();
  await catalogue(site, 'discovery');
  person = await openOperator(site);
  await site.machinedb('site', 'put', 'ams1');
  const given = ['--cidr', '10.77.0.0/24', '--gateway', '10.77.0.1', '--domain', 'lab.example.org'];
  await site.machinedb('network', 'put', 'lab', ...given);
}, 500_000);
afterAll(() => site?.close());

const HOST = '10.77.0.31';
/** A disk of 3 GiB that nobody writes to keeps its time. */
const writtenAt = (disk: string) => statSync(disk, { bigint: true }).mtimeNs;

test('rescue: one operator gets in by SSH and sees the disks, nobody else does, and after it the machine boots as before', async () => {
  const { ssh, show, acts, operator, knownHosts } = person;
  const disk = emptyDisk(site, 'rescue');
  writeBrownfield(site, disk);
  const machine: Machine = { firmware: 'uefi', mac: '52:54:00:4d:01:31', serial: 'LAB-RESCUE-1', disk };
  let running: Guest = powerOn(site, machine);
  const cycle = async () => {
    await running.close();
    running = powerOn(site, machine);
  };
  try {
    const line = await running.line(/this machine is node/, 300_000);
    const node = /node ([0-9a-f-]{36})/.exec(line)![1]!;
    const fingerprint = /key is (SHA256:\S+?),/.exec(line)![1]!;
    await running.line(/a disk of this machine holds data: it starts that now/, 60_000);
    const key = `${person.key}.pub`;
    const early = await site.command('rescue', node, '--key', key, '--reason', 'early');
    expect(early).toMatchObject({ code: 4, stderr: expect.stringContaining('is not approved') });
    await site.machinedb('approve', node, '--fingerprint', fingerprint, '--reason', 'seen on its console');
    const name = ['--fqdn', 'web9.lab.example.org', '--network', 'lab', '--address', HOST];
    await site.machinedb('assign', node, '--site', 'ams1', ...name, '--reason', 'new', '--yes');
    const before = writtenAt(disk);

    const open = ['--key', key, '--operator', 'ann', '--for', '20m', '--reason', 'its disk'];
    await site.machinedb('rescue', node, ...open);
    await cycle();
    const welcome = await running.line(/ann may log in for \d+ min: ssh root@10\.77\.0\.31/, 300_000);
    const { rescue, keys } = await site.get<{
      rescue: { host: { address: string; fingerprint: string } };
      keys: { fingerprint: string; status: string }[];
    }>(`/v1/nodes/${node}`);
    expect(rescue.host.address).toBe(HOST);
    expect(welcome).toContain(rescue.host.fingerprint);
    // The node's own key is as it was; that of the rescue is beside it.
    expect(keys.map(({ status }) => status).sort()).toEqual(['current', 'rescue']);
    expect(keys.find(({ status }) => status === 'current')!.fingerprint).toBe(fingerprint);

    // Only the CA's line is known.
    const seen = await ssh(
      HOST,
      'hostname; cat /sys/block/nvme0n1/size; ls -l /dev/nvme0n1; cat /proc/mounts; which vi dd mount',
    );
    expect(seen.split('\n').slice(0, 2)).toEqual(['discovery-5254004d0131', String((3 * 1024 ** 3) / 512)]);
    expect(seen).toContain('/dev/nvme0n1');
    expect(seen).not.toMatch(/^\/dev\/nvme/m);
    expect(seen).toContain('/bin/vi\n/bin/dd\n/bin/mount');
    const stranger = join(site.directory, 'stranger');
    await operator('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', stranger]);
    const checks = [
      'StrictHostKeyChecking=yes',
      `UserKnownHostsFile=${knownHosts}`,
      'BatchMode=yes',
      'IdentitiesOnly=yes',
    ];
    const flags = checks.flatMap((option) => ['-o', option]);
    const refused = await operator('ssh', ['-F', '/dev/null', '-i', stranger, ...flags, `root@${HOST}`, 'id']);
    expect(refused).toMatchObject({ code: 255, stdout: '' });
    expect(refused.stderr).toContain('Permission denied (publickey)');

    // A session that would go on for ever ends with the rescue, and the machine starts its disk.
    const session = ssh(HOST, 'sleep 3600').then(
      () => 'ended by itself',
      () => 'ended',
    );
    await site.machinedb('rescue', node, '--end', '--reason', 'mended');
    await running.line(/the rescue is over: booting as before/, 60_000);
    expect(await session).toBe('ended');
    await expect(ssh(HOST, 'true')).rejects.toThrow(/ended with 255/);
    await running.line(new RegExp(BROWNFIELD), 300_000);
    expect(writtenAt(disk)).toBe(before);
    expect((await show(node)).state).toBe('approved');
    const boot = await site.machinedb('boot', 'explain', '--mac', machine.mac);
    expect(boot).toMatchObject({ spec: { kind: 'local' }, reason: 'it has an operating system of its own' });
    const kinds = ['rescue.opened', 'rescue.joined', 'rescue.closed'];
    expect(await Promise.all(kinds.map(async (kind) => (await acts(node, kind)).length))).toEqual([1, 1, 1]);
    expect(await acts(node, 'alarm.rekey')).toEqual([]);
  } catch (error) {
    process.stderr.write(`${running.console.slice(-60).join('\n')}\n`);
    throw error;
  } finally {
    await running.close();
  }
}, 900_000);
