import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { openNetwork } from './lab/network.ts';
import { root, runProgram, surroundings } from './program.ts';

const start = join(root, 'machinedb/start.ts');

test('npm start -- --pxe INTERFACE serves the network of that interface, and leases survive a restart', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-start-pxe-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const network = openNetwork('10.78.0.1/24');
  onTestFinished(network.close);
  const client = network.join('10.78.0.9/24');
  const database = `pxe_${process.pid}`;
  const admin = new pg.Client({ connectionString: process.env.TEST_DATABASE_URL });
  await admin.connect();
  await admin.query(`create database ${database}`);
  onTestFinished(async () => {
    await admin.query(`drop database if exists ${database} with (force)`);
    await admin.end();
  });
  const url = new URL(process.env.TEST_DATABASE_URL!);
  url.pathname = `/${database}`;
  const run = async () => {
    const child = spawn(network.inside[0]!, [...network.inside.slice(1), process.execPath, start, '--pxe', 'br0'], {
      env: { ...surroundings, MACHINEDB_STATE: join(directory, 'state'), DATABASE_URL: url.toString() },
      cwd: root,
    });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += String(chunk)));
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    await expect.poll(() => text, { timeout: 60_000 }).toContain('MachineDB runs at https://10.78.0.1:4280');
    return async () => {
      child.kill('SIGTERM');
      await ended;
    };
  };
  const lease = async () => {
    const { code, stdout, stderr } = await client('busybox', [
      'udhcpc',
      '-i',
      'eth0',
      '-n',
      '-q',
      '-f',
      '-s',
      '/bin/true',
    ]);
    expect(code).toBe(0);
    return /lease of (\S+) obtained/.exec(stdout + stderr)?.[1];
  };
  const stop = await run();
  const first = await lease();
  // The upper half of the network, when nothing else is said.
  expect(first).toMatch(/^10\.78\.0\.(12[89]|1[3-9]\d|2\d\d)$/);
  expect((await client('curl', ['-sS', 'http://10.78.0.1:4281/boot/ipxe'])).stdout).toMatch(/^#!ipxe\n/);
  const script = await client('curl', [
    '-sS',
    'http://10.78.0.1:4281/boot/script?mac=52:54:00:00:00:99&platform=pcbios',
  ]);
  expect(script.stdout).toContain('unknown machine: it is looked at, but there is no discovery image');
  const loader = await client('curl', ['-sS', 'tftp://10.78.0.1/undionly.kpxe', '-o', join(directory, 'loader')]);
  expect(loader.code).toBe(0);
  await stop();
  const stopAgain = await run();
  expect(await lease()).toBe(first);
  await stopAgain();
}, 180_000);

test('an interface that is not there, or a flag that is unknown, is told', async () => {
  expect(await runProgram(process.execPath, [start, '--pxe', 'nosuch0'], {})).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(
      /^machinedb: there is no interface nosuch0 that is up: this machine has .*\nusage: npm start/,
    ),
  });
  expect(await runProgram(process.execPath, [start, '--nosuch'], {})).toMatchObject({ code: 2 });
});
