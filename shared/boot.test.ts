import { expect, test } from 'vitest';
import { bootSpec, imageManifest, kernelArgument } from './boot.ts';

const sha256 = 'a'.repeat(64);
const linux = { kind: 'linux', kernel: sha256, initrd: sha256, arguments: ['quiet'] };
const manifest = {
  ...{ name: 'd', kind: 'discovery', architecture: 'amd64', built_at: '2026-11-21T00:00:00Z', agent: sha256 },
  ...{ files: { kernel: { sha256, size: 1 } }, packages: {} },
};

test.each([
  ...[
    'a\nb',
    'a\rb',
    'a\0b',
    'a b',
    'a\tb',
    'a;b',
    'a=b;c',
    'a=$(reboot)',
    'a=`id`',
    `a=\${net0/mac}`,
    "a='b'",
    'a="b"',
  ],
  ...['a=b\\', 'a=b#c', 'a=b&&c', 'a=b|c', 'a=b>c', '-a', '--', '=b', '', 'a=é', 'a=\u2028b', `a=${'b'.repeat(512)}`],
])('40 and 111 %j is no word of a kernel command line, so it cannot bring another one', (word) => {
  expect(kernelArgument.safeParse(word).success).toBe(false);
  expect(bootSpec.safeParse({ ...linux, arguments: ['quiet', word] }).success).toBe(false);
});

test('111 what a boot needs are words: addresses with brackets, lists, consoles', () => {
  const words = [
    'quiet',
    'console=ttyS0,115200',
    'machinedb.url=https://[fd00::1]:4280',
    'machinedb.time=1',
    'vlan=12',
  ];
  expect(bootSpec.parse({ ...linux, arguments: words })).toEqual({ ...linux, arguments: words });
});

test.each([
  'file:///etc/passwd',
  '/dev/zero',
  'http://192.0.2.1/x',
  `../${'a'.repeat(61)}`,
  'A'.repeat(64),
  `${sha256}\n`,
])('112 %j is no file of an image: it is named by its digest only', (file) => {
  expect(bootSpec.safeParse(linux).success).toBe(true);
  for (const wrong of [{ kernel: file }, { initrd: file }, { overlays: [file] }])
    expect(bootSpec.safeParse({ ...linux, ...wrong }).success).toBe(false);
  expect(bootSpec.safeParse({ kind: 'local', loader: file }).success).toBe(false);
  expect(imageManifest.safeParse(manifest).success).toBe(true);
  const files = { kernel: { sha256: file, size: 1 } };
  expect(imageManifest.safeParse({ ...manifest, files }).success).toBe(false);
});
