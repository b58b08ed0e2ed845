/** What the golden image base-os has besides the essential packages of the suite. */
export const packages = [
  ...['systemd', 'systemd-sysv', 'udev', 'dbus', 'openssh-server', 'iproute2', 'iputils-ping', 'iputils-arping'],
  ...['kmod', 'linux-image-amd64', 'initramfs-tools', 'zstd', 'e2fsprogs', 'fdisk', 'netbase', 'ca-certificates'],
  ...['python3', 'sudo', 'less', 'nano-tiny', 'procps'],
];

/** What goes with cloud-init: the rule that lets root alone ask for its documents is loaded by nft. */
export const besideCloudInit = ['nftables'];

/** Releases of Debian that base-os is made of, and what only they have: bullseye's systemd-resolved is in systemd. */
export const packagesOf = {
  bullseye: [],
  bookworm: ['systemd-resolved'],
  trixie: ['systemd-resolved'],
} as const;
export type Suite = keyof typeof packagesOf;

/** Parts of packages that no server needs: documentation, translations, drivers for sound, pictures and radio. */
export const excluded = [
  ...['/usr/share/doc/*', '/usr/share/man/*', '/usr/share/info/*', '/usr/share/locale/*', '/usr/share/lintian/*'],
  ...[
    'sound',
    'drivers/media',
    'drivers/staging',
    'drivers/net/wireless',
    'drivers/bluetooth',
    'drivers/gpu/drm/amd',
  ].map((part) => `/lib/modules/*/kernel/${part}/*`),
  ...['drivers/isdn', 'drivers/iio', 'drivers/input/touchscreen', 'net/bluetooth', 'drivers/infiniband/hw/hfi1'].map(
    (part) => `/lib/modules/*/kernel/${part}/*`,
  ),
];
