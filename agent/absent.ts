// These say that this process is out of something, not that the machine lacks a file.
const ours = new Set(['EMFILE', 'ENFILE', 'ENOMEM']);

/** What the kernel or a driver refuses to give (ENOENT, EACCES, EIO, EINVAL, ENODEV...) is undefined. */
export function orAbsent<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
    if (code === undefined || !/^E[A-Z0-9]+$/.test(code) || ours.has(code)) throw error;
    return undefined;
  }
}
