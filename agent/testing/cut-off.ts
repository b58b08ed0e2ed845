import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

/** What changes a disk, or makes a change durable. */
const changing = [
  ...(['openSync', 'writeFileSync', 'fsyncSync', 'renameSync', 'rmSync'] as const),
  ...(['mkdirSync', 'fchmodSync', 'fchownSync'] as const),
];

/**
 * Ends this process as kill -9 and a power cut do, in place of its n-th change of the disk; a write is cut in half first.
 * Modules that use node:fs are to be imported after this.
 *
 * @param n counts from 1; one that never comes lets the process be
 */
export function cutOffAt(n: number): void {
  let count = 0;
  const members = fs as unknown as Record<string, (...args: unknown[]) => unknown>;
  for (const name of changing) {
    const original = members[name]!;
    members[name] = (...args) => {
      const reads = name === 'openSync' && ((args[1] as number) & fs.constants.O_WRONLY) === 0 && args[1] !== 'w';
      if (!reads && ++count === n) {
        if (name === 'writeFileSync') original(args[0], String(args[1]).slice(0, String(args[1]).length / 2));
        process.kill(process.pid, 'SIGKILL');
      }
      return original(...args);
    };
  }
  syncBuiltinESMExports();
}
