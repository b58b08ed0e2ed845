import { expect, test } from 'vitest';
import { withIntents } from '../machinedb/testing/intents.ts';
import { renderIpxe } from '../pxe/http/ipxe.ts';
import { root, runProgram } from './program.ts';

const { ask, node } = await withIntents();
const sha256 = (digit: string) => ({ sha256: digit.repeat(64), size: 1 });
await ask('putImage', {
  params: { image: 'discovery' },
  body: {
    ...{ name: 'discovery', kind: 'discovery', architecture: 'amd64', built_at: '2026-11-21T00:00:00Z' },
    ...{ files: { kernel: sha256('a'), initrd: sha256('b') }, agent: 'c'.repeat(64), packages: {} },
  },
});
const rendered = { url: 'http://192.0.2.1:4281', platform: 'efi', arguments: [], pauses: { firstS: 3, moreS: 1 } };

test.each([
  'web1\nreboot',
  'web1\r',
  'web1;reboot',
  'web1 shell',
  '$(reboot)',
  `\${net0/mac}`,
  'web1&&exit',
  "web1'",
  'web1\0',
])('40 and 41 a host name %j is rejected when it is written', async (hostname) => {
  const id = await node();
  const params = { node: id, section: 'hostname' };
  await expect(ask('putNodeIntent', { params, query: {}, body: { hostname } })).rejects.toThrow(
    'a hostname is one label',
  );
  await expect(
    ask('assignNode', { params: { node: id }, body: { fqdn: `${hostname}.example.org`, reason: 'x' } }),
  ).rejects.toThrow();
});

test('41 and 111 what a machine says of itself brings no command into its boot script, nor a word to its kernel', async () => {
  const mac = '52:54:00:00:07:01';
  const hostile = `x\nshell\n\${net0/mac} init=/bin/sh`;
  await node({
    os: { discovery: true },
    hostname: { hostname: hostile, fqdn: hostile },
    nics: { [mac]: { name: hostile, mac } },
  });
  const answer = await ask('explainBoot', { query: { mac, serial: hostile, uuid: hostile } });
  expect(answer.name).toBe(hostile);
  const script = renderIpxe(answer, rendered);
  expect(script).not.toMatch(/shell|init=|\$\{net0/);
  const plain = '52:54:00:00:07:02';
  await node({ os: { discovery: true }, nics: { [plain]: { name: 'eth0', mac: plain } } });
  const same = (text: string) => text.replace(/machinedb\.time=\d+/, '');
  expect(same(script)).toBe(same(renderIpxe(await ask('explainBoot', { query: { mac: plain } }), rendered)));
});

test('42 an unknown MAC gets the discovery script, and hears nothing of any node', async () => {
  const answer = await ask('explainBoot', { query: { mac: '52:54:00:00:07:99' } });
  expect(Object.keys(answer).sort()).toEqual(['reason', 'spec']);
  expect(answer).toMatchObject({
    spec: { kind: 'linux', kernel: 'a'.repeat(64) },
    reason: 'unknown machine: it is looked at',
  });
});

test.each(['file:///dev/zero', 'file:///etc', '/dev/zero', 'ftp://192.0.2.1/files', 'data:,x'])(
  '112 %s is no place that an agent fetches images from',
  async (files) => {
    const words = [
      'discover',
      '--server',
      'https://192.0.2.1',
      '--pin',
      'a'.repeat(64),
      '--state',
      '/nonexistent',
      '--files',
      files,
    ];
    const { code, stderr } = await runProgram(process.execPath, [`${root}/agent/main.ts`, ...words], {});
    expect([code, stderr.split('\n')[0]]).toEqual([
      2,
      'machinedb-agent: discover needs --files http://HOST:PORT/files',
    ]);
  },
);

test('112 and a server is none either', async () => {
  const words = ['rescue', '--server', 'file:///dev/zero', '--pin', 'a'.repeat(64), '--state', '/nonexistent'];
  const { code, stderr } = await runProgram(process.execPath, [`${root}/agent/main.ts`, ...words], {});
  expect(code).not.toBe(0);
  expect(stderr).toContain('--server is "file:///dev/zero": expected https://HOST:PORT');
});
