import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { SEED_PORT } from '../seed/serve.ts';
import { configureCloudInit } from './cloud-init.ts';

const directory = mkdtempSync(join(tmpdir(), 'machinedb-cloud-cfg-'));
afterAll(() => rmSync(directory, { recursive: true }));

test("an image with cloud-init is told where its agent's seed is, and that the network is not its own", () => {
  mkdirSync(join(directory, 'etc/cloud'), { recursive: true });
  configureCloudInit(directory);
  const lines = readFileSync(join(directory, 'etc/cloud/cloud.cfg.d/95-machinedb.cfg'), 'utf8').split('\n').slice(1);
  expect(lines).toEqual([
    'datasource_list: [NoCloud]',
    'datasource:',
    '  NoCloud:',
    `    seedfrom: http://127.0.0.1:${SEED_PORT}/seed/`,
    'network:',
    '  config: disabled',
    'phone_home:',
    `  url: http://127.0.0.1:${SEED_PORT}/seed/phone-home`,
    '  post: all',
    '  tries: 10',
    '',
  ]);
});

test('an image without cloud-init stays as it is', () => {
  const root = mkdtempSync(join(directory, 'without-'));
  configureCloudInit(root);
  expect(readdirSync(root)).toEqual([]);
});
