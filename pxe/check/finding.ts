export const checks = ['interface', 'ports', 'dhcp', 'next-server', 'certificate', 'clock', 'disk', 'loaders'] as const;

/** A fault that would bite machines that boot. */
export interface Finding {
  check: (typeof checks)[number];
  /** error: machines will not boot, or not from us; warning: they may not. */
  level: 'error' | 'warning';
  what: string;
  cause: string;
  /** The way out. */
  way: string;
}
