import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';

const lease = z.strictObject({
  address: z.ipv4(),
  /** Milliseconds since 1970. */
  until: z.number(),
  /** As the client calls itself, escaped; shown, never used. */
  hostname: z.string().optional(),
});
export type Lease = z.infer<typeof lease>;

const leases = z.record(z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/), lease);

/** Leases by MAC; none when the file is not there. Throws when it holds something else. */
export function readLeases(file: string): Record<string, Lease> {
  try {
    return leases.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    const cause = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new Error(`${file} holds no leases (${cause}): remove it, and machines get addresses anew`);
  }
}

/** Writes them in place of the old ones: after a power cut the file holds either. */
export function writeLeases(file: string, held: Record<string, Lease>): void {
  const draft = `${file}.new`;
  keep(draft, 'w', (fd) => writeSync(fd, JSON.stringify(held)));
  renameSync(draft, file);
  keep(dirname(file), 'r', () => undefined);
}

function keep(path: string, flags: string, write: (fd: number) => void): void {
  const fd = openSync(path, flags, 0o644);
  try {
    write(fd);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
