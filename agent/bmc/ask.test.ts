import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { observeEach } from '../facts.ts';
import { observe } from '../sections/bmc.ts';
import { IPMI_ANSWER, openSystem } from '../system.ts';
import { makeTree } from '../testing/tree.ts';
import { optionalTool } from '../tools.ts';
import { askBmc, type Tool } from './ask.ts';

const missing = ['ipmi_sim', 'ipmitool'].filter((program) => spawnSync(program, ['-h']).error !== undefined);
if (missing.length > 0) console.warn(`${missing} not installed: the test with a management controller is skipped`);

const home = mkdtempSync(join(tmpdir(), 'bmc-'));
const running: ChildProcess[] = [];
afterAll(async () => {
  for (const child of running) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  rmSync(home, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}

/** Starts OpenIPMI's controller, whose LAN is on a channel and configured by DHCP. */
async function startController(channel: number): Promise<number> {
  const port = await freePort();
  const lan = {
    ip_addr_src: 'dhcp',
    ip_addr: '10.1.9.5',
    subnet_mask: '255.255.254.0',
    mac_addr: 'd0:94:66:2f:11:22',
    default_gw_ip_addr: '10.1.8.1',
    default_gw_mac_addr: '00:00:00:00:00:00',
  };
  const cases = Object.entries(lan).map(([name, value]) => `${name}) echo '${name}:${value}';;`);
  writeFileSync(join(home, 'lan'), `#!/bin/sh\ncase $2 in ${cases.join(' ')} esac\n`);
  chmodSync(join(home, 'lan'), 0o755);
  const auths = ['callback', 'user', 'operator', 'admin'].map((level) => `allowed_auths_${level} none md5 straight\n`);
  writeFileSync(
    join(home, 'lan.conf'),
    `name "lab"\nset_working_mc 0x20\nstartlan ${channel}\naddr 127.0.0.1 ${port}\npriv_limit admin\n${auths.join('')}` +
      `guid a123456789abcdefa123456789abcdef\nlan_config_program "${home}/lan"\nendlan\n` +
      'user 2 true "lab" "lab" admin 10 none md5 straight\n',
  );
  writeFileSync(
    join(home, 'sim.emu'),
    'mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\nmc_enable 0x20\n',
  );
  mkdirSync(join(home, 'state'), { recursive: true });
  const files = ['-c', join(home, 'lan.conf'), '-f', join(home, 'sim.emu'), '-s', join(home, 'state'), '-n'];
  running.push(spawn('ipmi_sim', files, { stdio: ['ignore', 'ignore', 'ignore'] }));
  return port;
}

test.skipIf(missing.length > 0)(
  'a controller tells its firmware, channel, MAC and addresses, one question at a time',
  async () => {
    const port = await startController(1);
    let asking = 0;
    // No kernel's door to it here, so its network's.
    const tool: Tool = async (command, args) => {
      asking += 1;
      expect(asking).toBe(1);
      const there = ['-I', 'lan', '-H', '127.0.0.1', '-p', String(port), '-U', 'lab', '-P', 'lab'];
      const answer = await optionalTool(command, [...there, ...args], { timeoutMs: 30_000, maxBytes: 65_536 });
      asking -= 1;
      if (answer === undefined || 'error' in answer) throw new Error(answer?.error);
      return { status: answer.status, stdout: answer.stdout.toString() };
    };
    await expect.poll(() => tool('ipmitool', ['mc', 'info']), { timeout: 20_000 }).toMatchObject({ status: 0 });
    const root = makeTree({ [IPMI_ANSWER]: JSON.stringify(await askBmc(tool)) });
    expect(observeEach({ bmc: observe }, openSystem(root))).toEqual({
      sections: {
        bmc: {
          firmware: '9.08',
          ipmi_version: '2.0',
          manufacturer: 'MontaVista Software, Inc.',
          manufacturer_id: '4753',
          product_id: '3842',
          channel: 1,
          mac: 'd0:94:66:2f:11:22',
          addresses: { '10.1.9.5/23': true },
          address_source: 'dhcp',
          gateway: '10.1.8.1',
        },
      },
      errors: {},
    });
  },
);

test('without ipmitool nothing is known; a controller that says nothing is told', async () => {
  expect(await askBmc(async () => undefined)).toBeUndefined();
  await expect(askBmc(async () => ({ status: 1, stdout: '' }))).rejects.toThrow(
    'the management controller does not answer: ipmitool mc info ended with 1',
  );
});

test('the channel is looked for where makers have it, and one without a LAN is asked no more', async () => {
  const asked: string[] = [];
  const tool: Tool = async (_, args) => {
    asked.push(args.join(' '));
    const found = ['mc info', 'lan print 8', 'lan6 print 8'].includes(args.join(' '));
    return { status: found ? 0 : 1, stdout: found ? 'IP Address              : 10.1.9.5\n' : '' };
  };
  expect(Object.keys((await askBmc(tool)) ?? {})).toEqual(['mc-info', 'lan-print-8', 'lan6-print-8']);
  expect(asked).toEqual(['mc info', 'lan print 1', 'lan print 8', 'lan6 print 8']);
});
