import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { emptyDisk, type Machine, powerOn, SERVER } from './lab/site.ts';
import { openStory, putNetwork, type Story } from './lab/story.ts';
import { root } from './program.ts';

let story: Story;
beforeAll(async () => {
  story = await openStory();
}, 500_000);
afterAll(() => story?.close());

const HOST = '10.77.0.20';
const FILES = 'cat /etc/systemd/network/10-machinedb-* /etc/hostname; ip route show default';

test('BIOS: from a dead machine to Ansible, drift, a change that would cut it off, and a reset in the middle of one', async () => {
  const { site, show, ssh } = story;
  const started = performance.now();
  const mark = (what: string) =>
    process.stderr.write(`BIOS: ${what} after ${((performance.now() - started) / 1000).toFixed(0)} s\n`);
  const disk = emptyDisk(site, 'bios');
  const machine: Machine = { firmware: 'bios', mac: '52:54:00:4d:01:01', serial: 'LAB-BIOS-1', disk };
  const { node, fingerprint, guest } = await story.discover(machine);
  let running = guest;
  try {
    mark('discovered');
    const { observed, level, state } = await show(node);
    expect({ level, state }).toEqual({ level: 'claimed', state: 'discovered' });
    expect(observed.system).toMatchObject({ manufacturer: 'LabMaker', product: 'LabServer', serial: 'LAB-BIOS-1' });
    expect(observed.nics).toEqual({
      '52:54:00:4d:01:01': expect.objectContaining({ driver: 'virtio_net' }),
      '56:54:00:4d:01:01': expect.objectContaining({ driver: 'e1000e' }),
    });
    expect(observed.disks).toEqual({
      'LAB-BIOS-1-DISK': expect.objectContaining({ name: 'nvme0n1', size_bytes: 3 * 1024 ** 3 }),
    });
    const early = await site.command('reinstall', node, '--reason', 'early', '--image', site.images.baseOs.name);
    expect(early).toMatchObject({ code: 4, stderr: expect.stringContaining('is not approved') });
    await story.order(node, fingerprint, 'web1.lab.example.org', HOST);
    await guest.line(/installed: starting the disk/, 300_000);
    mark('installed');
    await story.reach(node, 'active');
    mark('active');
    const log = site.harness.daemons[0].log.flatMap((line) =>
      line.startsWith('{') ? [JSON.parse(line) as object] : [],
    );
    expect(log).toContainEqual(expect.objectContaining({ msg: 'TFTP', file: 'undionly.kpxe', whole: true }));
    await expect.poll(async () => (await show(node)).health, { timeout: 120_000 }).toBe('ok');
    expect(await show(node)).toMatchObject({ name: 'web1.lab.example.org', addresses: [`${HOST}/24`] });
    // Only the CA's line is known: the name is certified, and PID 1 is systemd.
    expect(await ssh(HOST, 'hostname -f; cat /proc/1/comm; sha256sum < /usr/bin/machinedb-agent')).toBe(
      `web1.lab.example.org\nsystemd\n${site.images.baseOs.agent}  -\n`,
    );
    expect(await ssh(HOST, 'apt-get update 2>&1')).toContain(`${story.repository.uri} lab InRelease`);
    await ansiblePing();
    mark('reached by Ansible');
    await driftIsMended(node);
    mark('drift mended');
    await wrongGatewayIsUndone(node);
    mark('wrong gateway undone');
    const states = (await story.acts(node, 'node.state')).map(({ data }) => (data as { to: string }).to);
    expect(states.reverse()).toEqual(['approved', 'installing', 'configuring', 'active']);
    await resetInTheMiddle(node, async () => {
      await running.close();
      running = powerOn(site, machine);
    });
    mark('reset survived');
  } catch (error) {
    process.stderr.write(`${running.console.slice(-60).join('\n')}\n`);
    throw error;
  } finally {
    await running.close();
  }
}, 1_800_000);

async function ansiblePing(): Promise<void> {
  const { site, operator, key, knownHosts } = story;
  const inventory = join(root, 'machinedb/integrations/ansible/machinedb-inventory');
  const checks = `-o UserKnownHostsFile=${knownHosts} -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes`;
  const { code, stdout, stderr } = await operator('ansible', ['-i', inventory, '-m', 'ping', 'web1.lab.example.org'], {
    HOME: site.directory,
    MACHINEDB_URL: site.harness.daemons[1].url,
    MACHINEDB_STATE: site.harness.daemons[0].stateDirectory,
    ANSIBLE_REMOTE_USER: 'root',
    ANSIBLE_PRIVATE_KEY_FILE: key,
    ANSIBLE_SSH_ARGS: `-F /dev/null ${checks}`,
  });
  expect(stdout + stderr).toContain('"ping": "pong"');
  expect(code).toBe(0);
}

async function driftIsMended(node: string): Promise<void> {
  const { site, ssh, show } = story;
  const assign = (mode: string) => site.machinedb('assign', node, '--mode', mode, '--reason', 'lab', '--yes');
  await assign('plan');
  await expect.poll(async () => (await show(node)).mode, { timeout: 90_000 }).toBe('plan');
  // An address of another prefix, so that it does not go with the first one.
  const card = `$(ip -o -4 addr show to ${HOST} | awk '{print $2}')`;
  await ssh(HOST, 'sed -i s/prohibit-password/yes/ /etc/ssh/sshd_config.d/00-machinedb.conf; hostname other');
  await ssh(HOST, 'sed -i s/main/contrib/ /etc/apt/sources.list.d/lab.sources');
  // A timer of systemd may come a minute late (systemd.timer(5), AccuracySec=).
  const soon = 'systemd-run -q --on-active=2 --timer-property=AccuracySec=100ms';
  await ssh(HOST, `ip addr add 10.77.0.66/25 dev ${card}; ${soon} ip addr del ${HOST}/24 dev ${card}`);
  const found = async () => (await story.findings(node)).map(({ section, path }) => section + path);
  const drifted = ['hostname/hostname', 'repos/apt/lab/components/main', 'ssh/permit_root_login'];
  await expect.poll(found, { timeout: 90_000 }).toEqual(expect.arrayContaining(drifted));
  const address = expect.stringMatching(/^network\/interfaces\/\S+10\.77\.0\.20~124$/);
  await expect.poll(found, { timeout: 90_000 }).toContainEqual(address);
  // The server was reached by the address that went.
  await expect.poll(async () => (await show(node)).health, { timeout: 90_000 }).toBe('drifted');
  await expect.poll(() => story.acts(node, 'apply.planned'), { timeout: 90_000 }).not.toEqual([]);
  // Plan mode touches nothing: it is as it was drifted, some heartbeats later.
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  expect(await found()).toEqual(expect.arrayContaining([...drifted, address]));
  expect(await story.acts(node, 'apply.applied')).toHaveLength(1);
  await assign('enforce');
  await expect.poll(async () => (await show(node)).health, { timeout: 120_000 }).toBe('ok');
  expect(await ssh(HOST, 'cat /etc/ssh/sshd_config.d/00-machinedb.conf; hostname')).toMatch(
    /PermitRootLogin prohibit-password[\s\S]*\nweb1\n$/,
  );
}

async function wrongGatewayIsUndone(node: string): Promise<void> {
  const { site, ssh, show } = story;
  const before = await ssh(HOST, FILES);
  await putNetwork(site, '10.77.0.250');
  const apply = async () => (await story.findings(node)).find(({ path }) => path === '/apply');
  await expect.poll(apply, { timeout: 150_000, interval: 2500 }).toMatchObject({
    message: expect.stringMatching(
      /^generation \d+ was undone: gateway 10\.77\.0\.250 does not answer ARP on \S+\. It is tried again/,
    ),
  });
  expect(await ssh(HOST, FILES)).toBe(before);
  await putNetwork(site, SERVER);
  await expect.poll(async () => (await show(node)).health, { timeout: 120_000 }).toBe('ok');
}

/** The power goes while a change waits for its confirmation: the old files are in force before the network is. */
async function resetInTheMiddle(node: string, reset: () => Promise<void>): Promise<void> {
  const { site, ssh, show } = story;
  const before = await ssh(HOST, FILES);
  await putNetwork(site, '10.77.0.251');
  const pending = () => ssh(HOST, 'ls /var/lib/machinedb-agent/pending.json && sync').catch(() => '');
  await expect.poll(pending, { timeout: 120_000 }).toContain('pending');
  expect(await ssh(HOST, FILES)).not.toBe(before);
  await reset();
  await expect.poll(() => ssh(HOST, FILES).catch(() => ''), { timeout: 240_000, interval: 2000 }).toBe(before);
  const reason = async () => (await story.acts(node, 'apply.undone'))[0]?.reason;
  await expect.poll(reason, { timeout: 120_000 }).toContain('ended before the change was confirmed');
  const journal = await ssh(HOST, 'journalctl -b -o cat --no-pager -u machinedb-recover');
  expect(journal).toContain('the files before the change are back');
  await putNetwork(site, SERVER);
  await expect.poll(async () => (await show(node)).health, { timeout: 120_000 }).toBe('ok');
}
