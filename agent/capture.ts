import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { record } from './capture/recorder.ts';
import { tar } from './capture/tar.ts';
import { maskSecrets } from './secrets.ts';
import { openSystem, type System } from './system.ts';

/**
 * Observes a machine and writes an archive of exactly what the observation read: files, links, names in directories.
 * Unpacked, it is a root on which the same observation gives the same report. The archive is for its owner only (0600):
 * serial numbers and the machine-id are in it; secrets of the kernel's command line are masked.
 * @param out a new file, .tar.gz
 * @returns the report, and how many entries the archive has
 * @throws when `out` exists or cannot be written
 */
export function capture<Report>(
  observe: (system: System) => Report,
  out: string,
  system: System = openSystem(),
): { report: Report; entries: number } {
  const recorder = record(system);
  const report = observe(recorder.system);
  const entries = recorder.entries();
  const commandLine = entries.get('/proc/cmdline');
  if (commandLine?.kind === 'file') {
    commandLine.content = Buffer.from(maskSecrets(commandLine.content.toString('utf8')));
  }
  try {
    writeFileSync(out, gzipSync(tar(entries)), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new Error(`${out} exists: remove it, or name another file`);
  }
  return { report, entries: entries.size };
}
