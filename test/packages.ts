/** Debian packages that the tests use; `npm test` installs those that are missing. */
export const packages: { name: string; why: string }[] = [
  { name: 'qemu-system-x86', why: 'boots the guests of the lab' },
  { name: 'busybox-static', why: "is the guests' userland" },
  { name: 'cpio', why: 'packs their initramfs' },
  { name: 'kmod', why: 'finds the kernel modules that they load' },
  { name: 'bzip2', why: 'unpacks captured machines' },
  { name: 'xz-utils', why: 'unpacks captured machines' },
  { name: 'zstd', why: 'compresses their initramfs' },
  { name: 'binutils', why: 'strips the Node binary in the agent executable' },
  { name: 'iproute2', why: 'says what the network of this machine is, to compare with what the agent observes' },
  { name: 'dmidecode', why: 'says what the SMBIOS tables hold, to compare with what the agent observes' },
  { name: 'ansible-core', why: 'reads the inventory as Ansible does' },
];
