import { expect, test } from 'vitest';
import { maskSecrets } from './secrets.ts';

test.each([
  ['quiet token=hunter2 ro', 'quiet token=*** ro'],
  ['machinedb.join_token=a,b,c quiet', 'machinedb.join_token=*** quiet'],
  ['ipmi.password="two words" x=1', 'ipmi.password=*** x=1'],
  ['ROOTPW=hunter2 rootpw=$6$salt$hash', 'ROOTPW=*** rootpw=***'],
  ['ds=nocloud;s=https://user:pw@host/seed/;api-key=k', 'ds=nocloud;s=https://***@host/seed/;api-key=***'],
  ['inst.ks=https://:t0ken@ks/x', 'inst.ks=https://***@ks/x'],
  ['inst.repo=ftp://user:p@ss@mirror/x', 'inst.repo=ftp://***@mirror/x'],
  ['nonce=00ff auth=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc', 'nonce=*** auth=***'],
  ['x=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc', 'x=***'],
  ['blob=QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZn09', 'blob=***'],
  ['init=/x -- --token hunter2 --auth-required --port 1', 'init=/x -- --token *** --auth-required --port 1'],
  ['ssid=x psk=hunter22', 'ssid=x psk=***'],
])('%s', (line, masked) => {
  expect(maskSecrets(line)).toBe(masked);
  expect(maskSecrets(masked)).toBe(masked);
});

test.each([
  'BOOT_IMAGE=/boot/vmlinuz-6.1.0-18-amd64 root=UUID=9f1c2b3a-0000-4000-8000-123456789abc ro quiet console=ttyS0,115200n8',
  'rd.luks.name=9f1c2b3a-0000-4000-8000-123456789abc=root vconsole.keymap=de keymap=us rd.md.uuid=1:2:3:4',
  'machinedb.url=https://mdb.example.org:4280 machinedb.ca=sha256:0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0',
  'ip=192.0.2.10::192.0.2.1:255.255.255.0:db1:eth0:none nameserver=2001:db8::1 BOOTIF=01-52-54-00-12-34-56',
  'hugepagesz=1G hugepages=16 isolcpus=2-5 intel_iommu=on monkey=banana',
])('is left alone: %s', (line) => {
  expect(maskSecrets(line)).toBe(line);
});
