import { afterAll, beforeEach, expect, test } from 'vitest';
import { pausesOf } from './pauses.ts';
import { local, startService } from './testing.ts';

const { url, state, get, script, reset, close } = await startService();
beforeEach(reset);
afterAll(close);

/** A script's end: it asks for ever, ever more seldom, asks DHCP after six times where to, and never goes back to the firmware. */
const pause = (why: string, label: string) => `echo machinedb: ${why}: asked again in \${pause} s
sleep \${pause}
inc pause 3
inc tries
iseq \${tries} 6 || goto ${label}
set tries:int32 0
set pause:int32 5
`;
const forEver = (label: string, asked: string) => `:${label}
chain --replace --autofree ${asked} ||
${pause('the boot service does not answer', label)}dhcp netX || goto ${label}
chain --replace --autofree \${filename} || goto ${label}
`;
const counters = `isset \${tries} || set tries:int32 0\nisset \${pause} || set pause:int32 5\n`;

test('the first script asks with all that iPXE knows; the second is the answer', async () => {
  expect(String((await get('/boot/ipxe')).body)).toContain(`${url}/boot/script?mac=\${netX/mac}`);
  const query = 'mac=52:54:00:00:00:01&platform=efi&uuid=11111111-2222-3333-4444-555555555555&serial=S1';
  expect(await script(query)).toBe('#!ipxe\necho machinedb: it is active\nexit 1\n');
  expect(state.asked).toEqual([
    {
      mac: '52:54:00:00:00:01',
      arch: 7,
      uuid: '11111111-2222-3333-4444-555555555555',
      serial: 'S1',
      address: '127.0.0.1',
    },
  ]);
  expect(await script('mac=52:54:00:00:00:01&platform=pcbios')).toContain('sanboot --no-describe --drive 0x80 || exit');
});

test('on UEFI the disk of an installed node is started by our loader, if it can be had', async () => {
  const loader = 'c'.repeat(64);
  state.answer = async () => ({ spec: { kind: 'local', loader }, reason: 'install 1 is done' });
  expect(await script('mac=52:54:00:00:00:01&platform=efi')).toBe(
    `#!ipxe\necho machinedb: install 1 is done\nchain --autofree ${url}/files/${loader} ||\nexit 1\n`,
  );
});

test('a kernel gets the words of the answer and those of the boot service', async () => {
  state.answer = async () => ({
    spec: { kind: 'linux', kernel: 'a'.repeat(64), initrd: 'b'.repeat(64), arguments: ['quiet', 'machinedb.pin=ff'] },
    reason: 'unknown machine: it is looked at',
  });
  const text = await script('mac=52:54:00:00:00:01&platform=efi');
  expect(text).toContain(
    `kernel ${url}/files/${'a'.repeat(64)} initrd=initrd quiet machinedb.pin=ff machinedb.files=${url}/files BOOTIF=01-\${netX/mac:hexhyp} || goto kernel_again`,
  );
});

test('parts of an initramfs are fetched in their order, and named to the kernel', async () => {
  const [kernel, initrd, over] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [string, string, string];
  state.answer = async () => ({
    spec: { kind: 'linux', kernel, initrd, overlays: [over], arguments: ['quiet'] },
    reason: 'rescue by ann',
  });
  const text = await script('mac=52:54:00:00:00:01&platform=pcbios');
  const from = text.indexOf(':kernel\n');
  expect(text.slice(from, text.indexOf(':kernel_again')).split('\n')).toEqual([
    ':kernel',
    `kernel ${url}/files/${kernel} initrd=initrd initrd=initrd1 quiet machinedb.files=${url}/files BOOTIF=01-\${netX/mac:hexhyp} || goto kernel_again`,
    ':initrd',
    `initrd --name initrd ${url}/files/${initrd} || goto initrd_again`,
    ':initrd1',
    `initrd --name initrd1 ${url}/files/${over} || goto initrd1_again`,
    'boot || goto failed',
    '',
  ]);
  // A part that could not be had is asked for by itself.
  expect(text).toMatch(/:initrd1_again\n.*asked again in[\s\S]*goto initrd1\n/);
});

test('40 and 41 a newline or a meaning of iPXE in an answer never reaches a script', async () => {
  state.answer = async () => ({
    spec: { kind: 'linux', kernel: 'a'.repeat(64), initrd: 'b'.repeat(64), arguments: ['x\nshell'] },
    reason: 'r',
  });
  expect(await script('mac=52:54:00:00:00:01&platform=efi')).toContain('the inventory does not answer');
  state.answer = async () => ({ ...local, reason: `name \${x} 'y'\nshell && reboot` });
  expect((await script('mac=52:54:00:00:00:01&platform=efi')).split('\n')).toEqual([
    '#!ipxe',
    'echo machinedb: name ??x? ?y??shell ?? reboot',
    'exit 1',
    '',
  ]);
});

test('an inventory that fails, and a loader that does not say who it is, are asked again, never a dead end', async () => {
  state.answer = async () => {
    throw new Error('database away');
  };
  for (const query of ['mac=52:54:00:00:00:01&platform=efi', 'mac=x', ''])
    expect(await script(query)).toBe(
      `#!ipxe
echo machinedb: ${query.startsWith('mac=5') ? 'the inventory does not answer' : 'the loader did not tell its MAC address'}
sleep 10
${counters}${forEver('first', `${url}/boot/ipxe`)}`,
    );
});

test('a boot service that is away is asked for ever, and what was fetched before is let go', async () => {
  const question = `${url}/boot/script?mac=\${netX/mac}&buildarch=\${buildarch}&platform=\${platform}&uuid=\${uuid}&serial=\${serial:uristring}`;
  expect(String((await get('/boot/ipxe')).body)).toBe(`#!ipxe\n${counters}${forEver('ask', question)}`);
  state.answer = async () => ({
    spec: { kind: 'linux', kernel: 'a'.repeat(64), initrd: 'b'.repeat(64), arguments: [] },
    reason: 'r',
  });
  expect(await script('mac=52:54:00:00:00:01&platform=efi')).toBe(
    `#!ipxe
echo machinedb: r
${counters}:kernel
kernel ${url}/files/${'a'.repeat(64)} initrd=initrd machinedb.files=${url}/files BOOTIF=01-\${netX/mac:hexhyp} || goto kernel_again
:initrd
initrd --name initrd ${url}/files/${'b'.repeat(64)} || goto initrd_again
boot || goto failed
:kernel_again
${pause('the kernel could not be had', 'kernel')}goto anew
:initrd_again
${pause('the initramfs could not be had', 'initrd')}goto anew
:failed
${pause('the image could not be started', 'anew')}:anew
imgfree
${forEver('first', `${url}/boot/ipxe`)}`,
  );
});

test('each machine gets pauses of its own, since its loader has no chance of its own', () => {
  expect([0, 0.5, 0.999].map((chance) => pausesOf(() => chance))).toEqual([
    { firstS: 3, moreS: 1 },
    { firstS: 5, moreS: 3 },
    { firstS: 6, moreS: 4 },
  ]);
});
