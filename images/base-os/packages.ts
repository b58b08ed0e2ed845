/** What the golden image base-os has besides the essential packages of the suite. */
export const packages = [
  ...['systemd', 'systemd-sysv', 'systemd-resolved', 'udev', 'dbus', 'openssh-server', 'iproute2', 'iputils-ping'],
  ...['kmod', 'linux-image-amd64', 'initramfs-tools', 'zstd', 'e2fsprogs', 'fdisk', 'netbase', 'ca-certificates'],
  ...['python3', 'sudo', 'less', 'nano-tiny', 'procps'],
];

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
