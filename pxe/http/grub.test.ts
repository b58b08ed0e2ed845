import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import type { BootAnswer, BootSpec } from '../../shared/boot.ts';
import { firstGrub, renderGrub } from './grub.ts';

const rendered = { server: '10.77.0.1', mac: '52:54:00:4d:01:02', arguments: ['machinedb.url=https://[fd77::1]:4280'] };
const render = (spec: BootSpec, reason = 'it is active', more: Partial<typeof rendered> = {}) =>
  renderGrub({ spec, reason } as BootAnswer, { ...rendered, ...more });
const [kernel, initrd, loader] = ['a'.repeat(64), 'b'.repeat(64), 'c'.repeat(64)];
const linux: BootSpec = { kind: 'linux', kernel, initrd, arguments: ['quiet', 'machinedb.pin=ff'] };

test('the first configuration asks for ever, with all that GRUB knows of its machine', () => {
  expect(firstGrub('10.77.0.1', { firstS: 3, moreS: 4 })).toBe(`smbios --type 1 --get-uuid 8 --set uuid
smbios --type 1 --get-string 7 --set serial
while true; do
  source "(tftp,10.77.0.1)/boot/grub?mac=$net_default_mac&uuid=$uuid&serial=$serial"
  echo 'machinedb: asked again in 11 s'
  sleep 11
done
`);
});

test('a kernel gets the words of the answer, those of the boot service and its card, each as one quoted word', () => {
  expect(render(linux, 'unknown machine: it is looked at')).toBe(`echo 'machinedb: unknown machine: it is looked at'
if linux (tftp,10.77.0.1)/files/${kernel} 'quiet' 'machinedb.pin=ff' 'machinedb.url=https://[fd77::1]:4280' 'BOOTIF=01-52-54-00-4d-01-02'; then
  if initrd (tftp,10.77.0.1)/files/${initrd}; then boot; fi
fi
echo 'machinedb: the image could not be started'
`);
});

test('parts of the initramfs that only this boot has come after it', () => {
  const parts = ['d'.repeat(64), 'e'.repeat(64)];
  expect(render({ ...linux, overlays: parts })).toContain(
    `if initrd ${[initrd, ...parts].map((sha256) => `(tftp,10.77.0.1)/files/${sha256}`).join(' ')}; then boot; fi`,
  );
});

test('a machine that waits asks again', () => {
  expect(render({ kind: 'wait', seconds: 60 })).toBe("echo 'machinedb: it is active'\nsleep 60\n");
});

test("a disk of ours is read by this GRUB; of somebody else's the loader is started, else the firmware goes on", () => {
  const theirs = render({ kind: 'local' });
  expect(theirs.split('\n')).toEqual([
    "echo 'machinedb: it is active'",
    expect.stringMatching(/^for file in \/EFI\/debian\/shimx64\.efi .* \/EFI\/BOOT\/BOOTX64\.EFI; do$/),
    '  if search --no-floppy --set=esp --file $file; then',
    '    if chainloader ($esp)$file; then boot; fi',
    '  fi',
    'done',
    'exit',
    '',
  ]);
  expect(render({ kind: 'local', loader })).toBe(
    theirs.replace(
      'for file',
      'if search --no-floppy --set=root --label machinedb-root; then\n  configfile ($root)/boot/grub/grub.cfg\nfi\nfor file',
    ),
  );
});

test('40, 41 and 111 nothing that people or machines say leaves the quotes of its word', () => {
  expect(render({ kind: 'wait', seconds: 1 }, `name $x 'y'\nreboot; "(hd0)"`)).toBe(
    "echo 'machinedb: name ?x ?y??reboot? ?(hd0)?'\nsleep 1\n",
  );
  for (const word of ["x'; reboot; '", 'x\nreboot'])
    expect(() => render(linux, 'r', { arguments: [word] })).toThrow('cannot stand in a GRUB configuration');
});

test.each([
  ['first', firstGrub('10.77.0.1', { firstS: 3, moreS: 1 })],
  ['linux', render(linux)],
  ['wait', render({ kind: 'wait', seconds: 60 })],
  ['local', render({ kind: 'local' })],
  ['local, ours', render({ kind: 'local', loader })],
])('GRUB’s own parser reads the configuration: %s', (_, input) => {
  expect(spawnSync('grub-script-check', { input, encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
});
