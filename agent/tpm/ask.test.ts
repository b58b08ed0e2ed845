import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test, vi } from 'vitest';
import { tpm } from '../../shared/sections/tpm.ts';
import { observe } from '../sections/tpm.ts';
import { openSystem, TPM_ANSWER } from '../system.ts';
import { makeTree } from '../testing/tree.ts';
import { askDevice } from './device.ts';

const missing = ['swtpm', 'swtpm_setup', 'socat', 'certtool', 'tpm2_nvundefine'].filter(
  (program) => spawnSync(program, ['--version']).error !== undefined,
);
if (missing.length > 0) console.warn(`${missing} not installed: the tests with a TPM are skipped`);
const testTpm = test.skipIf(missing.length > 0);

// Making keys takes a while on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

const home = mkdtempSync(join(tmpdir(), 'tpm-'));
const running: ChildProcess[] = [];
afterAll(async () => {
  for (const child of running) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null)
      await new Promise((resolve) => child.once('exit', resolve));
  }
  rmSync(home, { recursive: true, force: true });
});

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** Starts a software TPM behind a character device, as /dev/tpmrm0 is one. */
async function startTpm(state: string): Promise<string> {
  const [socket, device] = [join(state, 'socket'), join(state, 'device')];
  const server = ['socket', '--tpm2', '--tpmstate', `dir=${state}`, '--server', `type=unixio,path=${socket}`];
  // It runs for more than one who connects, and is ready without the firmware's TPM2_Startup.
  running.push(spawn('swtpm', [...server, '--flags', 'not-need-init,startup-clear'], { stdio: 'ignore' }));
  await until(() => existsSync(socket));
  running.push(
    spawn('socat', [`PTY,link=${device},raw,echo=0,ignoreeof`, `UNIX-CONNECT:${socket}`], { stdio: 'ignore' }),
  );
  await until(() => existsSync(device));
  return device;
}

async function until(done: () => boolean): Promise<void> {
  for (let tries = 0; !done(); tries++) {
    if (tries > 300) throw new Error('it did not start');
    await sleep(50);
  }
}

testTpm('a TPM without certificates: what it is, and the key that it derives, the same each time', async () => {
  const state = join(home, 'bare');
  mkdirSync(state);
  const device = await startTpm(state);
  const answer = await askDevice({ device });
  const found = observe(openSystem(makeTree({ [TPM_ANSWER]: JSON.stringify(answer) })));
  expect(JSON.parse(JSON.stringify(found))).toEqual({
    version: '2.0',
    revision: expect.stringMatching(/^1\.\d\d$/),
    manufacturer: 'IBM',
    vendor: 'SW TPM',
    firmware: expect.stringMatching(/^\d+(\.\d+){1,3}$/),
    endorsement: { 'ecc-p256': { key_sha256: expect.stringMatching(/^[0-9a-f]{64}$/) } },
  });
  expect(tpm.observed.parse(found)).toEqual(found);
  expect(await askDevice({ device })).toEqual(answer);
});

testTpm('a TPM of a maker: the certificates in its NV memory, and the keys that they are of', async () => {
  const state = join(home, 'made');
  const authority = join(home, 'authority');
  mkdirSync(state);
  mkdirSync(authority);
  writeFileSync(
    join(home, 'localca.conf'),
    `statedir = ${authority}\nsigningkey = ${authority}/key.pem\nissuercert = ${authority}/cert.pem\ncertserial = ${authority}/serial\n`,
  );
  writeFileSync(join(home, 'options'), '--platform-manufacturer Lab\n--platform-version 1\n--platform-model Lab\n');
  writeFileSync(
    join(home, 'setup.conf'),
    `create_certs_tool = /usr/bin/swtpm_localca\ncreate_certs_tool_config = ${home}/localca.conf\ncreate_certs_tool_options = ${home}/options\n`,
  );
  const setup = ['--tpm2', '--tpmstate', state, '--create-ek-cert', '--config', join(home, 'setup.conf')];
  execFileSync('swtpm_setup', [...setup, '--write-ek-cert-files', state], { stdio: 'pipe' });
  const hashes = (file: string) => {
    const der = readFileSync(join(state, file));
    const key = new X509Certificate(der).publicKey.export({ type: 'spki', format: 'der' });
    return { certificate_sha256: sha256(der), key_sha256: sha256(key) };
  };
  const expected = { 'rsa-2048': hashes('ek-rsa2048.crt'), 'ecc-p384': hashes('ek-secp384r1.crt') };
  const device = await startTpm(state);
  expect((await askDevice({ device }))?.endorsement).toEqual(expected);

  // Without the certificates, the keys that are kept are read: the same ones.
  for (const index of ['0x01c00002', '0x01c00016'])
    execFileSync('tpm2_nvundefine', ['-C', 'p', '-T', `device:${device}`, index], { stdio: 'pipe' });
  expect((await askDevice({ device }))?.endorsement).toEqual({
    'rsa-2048': { key_sha256: expected['rsa-2048'].key_sha256 },
    'ecc-p384': { key_sha256: expected['ecc-p384'].key_sha256 },
  });
});

test('no device, or one that nobody may open, is no TPM', async () => {
  expect(await askDevice({ device: join(home, 'none') })).toBeUndefined();
});

testTpm('one that never answers is given up in time', async () => {
  const device = join(home, 'silent');
  running.push(spawn('socat', [`PTY,link=${device},raw,echo=0`, 'EXEC:sleep 60'], { stdio: 'ignore' }));
  await until(() => existsSync(device));
  await expect(askDevice({ device, timeoutMs: 300 })).rejects.toThrow(
    `the TPM gave no answer at ${device} within 300 ms`,
  );
});

test('one that says something else is refused', async () => {
  const device = join(home, 'fifo');
  execFileSync('mkfifo', [device]);
  // A FIFO opened both ways gives back the command.
  await expect(askDevice({ device })).rejects.toThrow('the TPM answered with error 0x17a');
});
