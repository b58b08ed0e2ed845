import { closeSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import pg from 'pg';
import type { Site } from './site.ts';

/** Both daemons, and with them DHCP, TFTP and HTTP, are away for `ms` milliseconds, and for as long as `meanwhile` takes. */
export async function away(site: Site, ms: number, meanwhile: () => Promise<unknown> = async () => {}): Promise<void> {
  await Promise.all([site.harness.kill(0), site.harness.kill(1)]);
  await Promise.all([meanwhile(), new Promise((resolve) => setTimeout(resolve, ms))]);
  await Promise.all([site.harness.start(0), site.harness.start(1)]);
}

/** Waits, while the servers are away, until a machine asks for DHCP: a firmware says on its console that it does, but only once it has given up. */
export async function nextDiscover({ network }: Site, ms: number): Promise<void> {
  const script = `
    setTimeout(() => process.exit(1), ${ms});
    require('node:dgram').createSocket('udp4').once('message', () => process.exit(0)).bind(67);`;
  const { code, stderr } = await network.run(process.execPath, ['-e', script]);
  if (code !== 0) throw new Error(`no machine asked for DHCP in ${ms} ms: ${stderr}`);
}

/** How the boot service answered a machine since its daemon was last started, oldest first: linux, local, wait. */
export function bootAnswers(site: Site, mac: string): string[] {
  return site.harness.daemons[0].log.flatMap((line) => {
    if (!line.startsWith('{')) return [];
    const entry = JSON.parse(line) as { mac?: string; answer?: string };
    return entry.mac === mac && entry.answer !== undefined ? [entry.answer] : [];
  });
}

/** Flips the lowest bit of a byte; done twice, the file is as it was. */
export function flipBit(file: string, at: number): void {
  const fd = openSync(file, 'r+');
  try {
    const byte = Buffer.alloc(1);
    readSync(fd, byte, 0, 1, at);
    byte[0]! ^= 1;
    writeSync(fd, byte, 0, 1, at);
  } finally {
    closeSync(fd);
  }
}

/** Whether nothing was ever written to a disk of emptyDisk(). */
export function isUntouched(disk: string): boolean {
  return statSync(disk).blocks === 0;
}

/** Whether a firmware would find something in the disk's first MiB. */
export function isBootable(disk: string): boolean {
  const fd = openSync(disk, 'r');
  try {
    const head = Buffer.alloc(1024 * 1024);
    readSync(fd, head, 0, head.length, 0);
    return head.some((byte) => byte !== 0);
  } finally {
    closeSync(fd);
  }
}

/** Puts a signature in the place of an image's; answers the one that was there. No door of the service does this. */
export async function replaceSignature(site: Site, image: string, signature: string): Promise<string> {
  const client = new pg.Client({ connectionString: site.harness.databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ signature: string }>(
      'update image i set signature = $2 from image old where i.name = $1 and old.name = i.name returning old.signature',
      [image, signature],
    );
    return rows[0]!.signature;
  } finally {
    await client.end();
  }
}
