import { createHmac } from 'node:crypto';
import type { Os } from '../../shared/sections/os.ts';
import { architectureOf } from '../parse/architecture.ts';
import { known } from '../parse/placeholder.ts';
import { maskSecrets } from '../parse/secrets.ts';
import type { System } from '../system.ts';

/** Longest command line, and line of os-release, that is looked at: the kernel's own limit is 4,096 at most. */
const longest = 4096;

/** The operating system that runs: os-release(5), the kernel, its command line. */
export function observe(system: System): Os | undefined {
  const release = parseRelease(system.read('/etc/os-release') ?? system.read('/usr/lib/os-release') ?? '');
  const commandLine = system.read('/proc/cmdline')?.trim();
  const field = (key: string) => known(release.get(key));
  return {
    distribution: field('ID'),
    version: field('VERSION_ID'),
    codename: field('VERSION_CODENAME'),
    name: field('PRETTY_NAME') ?? field('NAME'),
    image_id: field('IMAGE_ID'),
    image_version: field('IMAGE_VERSION'),
    kernel: known(system.read('/proc/sys/kernel/osrelease')),
    kernel_build: known(system.read('/proc/sys/kernel/version')),
    architecture: architectureOf(system),
    command_line: commandLine ? maskSecrets(commandLine.slice(0, longest)).slice(0, longest) : undefined,
    init: known(system.read('/proc/1/comm')),
    installation_id: installationId(system.read('/etc/machine-id')),
  };
}

/** Assignments of os-release(5), quotes and escapes resolved. */
export function parseRelease(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    if (line.length > longest) continue;
    const match = /^\s*([A-Z][A-Z0-9_]*)=(.*?)\s*$/.exec(line);
    if (match?.[1] === undefined || match[2] === undefined) continue;
    const quoted = /^(["'])(.*)\1$/.exec(match[2]);
    const raw = quoted?.[2] ?? match[2];
    fields.set(match[1], quoted?.[1] === "'" ? raw : raw.replace(/\\(["'$`\\])/g, '$1'));
  }
  return fields;
}

// The machine-id itself is confidential (machine-id(5)); this application id makes ours unlike any other program's.
const application = Buffer.from('7f3c1e0a5b8d4c62b1a96e2f40d8735c', 'hex');

/**
 * An id of the installation that does not reveal its machine-id: HMAC-SHA-256 keyed by it, shaped as a version 4 UUID,
 * like sd_id128_get_machine_app_specific(3). Absent while the id is not yet made ('uninitialized').
 */
export function installationId(machineId: string | undefined): string | undefined {
  const id = machineId?.trim();
  if (id === undefined || !/^[0-9a-f]{32}$/i.test(id) || known(id) === undefined) return undefined;
  const hash = createHmac('sha256', Buffer.from(id, 'hex')).update(application).digest().subarray(0, 16);
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x40;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  return hash.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
