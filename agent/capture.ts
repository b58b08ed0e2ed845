import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { blank } from './capture/blank.ts';
import { record } from './capture/recorder.ts';
import { tar } from './capture/tar.ts';
import { maskCredentials, maskSecrets } from './parse/secrets.ts';
import { openSystem, type System } from './system.ts';

// Masking twice changes nothing, so a report from the archive is still the same.
const masks: [prefix: string, mask: (text: string) => string][] = [
  ['/proc/cmdline', maskSecrets],
  ['/etc/apt/', maskCredentials],
];

/**
 * Observes a machine and writes an archive of exactly what the observation read: files, links, names in directories.
 * Unpacked, it is a root on which the same observation gives the same report. The archive is for its owner only (0600):
 * serial numbers and the machine-id are in it. What a report masks is masked in it, too.
 * @param out a new file, .tar.gz
 * @param blanked others in the place of serial numbers and MACs, in the archive and not in the report
 * @returns the report, and how many entries the archive has
 * @throws when `out` exists or cannot be written
 */
export function capture<Report>(
  observe: (system: System) => Report,
  out: string,
  system: System = openSystem(),
  blanked = false,
): { report: Report; entries: number } {
  const recorder = record(system);
  const report = observe(recorder.system);
  const entries = recorder.entries();
  for (const [path, entry] of entries) {
    const mask = masks.find(([prefix]) => path.startsWith(prefix))?.[1];
    if (mask !== undefined && entry.kind === 'file') {
      entries.set(path, { kind: 'file', content: Buffer.from(mask(entry.content.toString('utf8'))) });
    }
  }
  const written = blanked ? blank(entries, report, randomBytes(32)) : entries;
  try {
    writeFileSync(out, gzipSync(tar(written)), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new Error(`${out} exists: remove it, or name another file`);
  }
  return { report, entries: entries.size };
}
