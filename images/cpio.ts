/** A member of an archive. Folders that a path needs are made by themselves. */
export type Entry =
  | { kind: 'file'; path: string; mode: number; data: Buffer }
  | { kind: 'link'; path: string; target: string }
  | { kind: 'folder'; path: string; mode: number }
  | { kind: 'device'; path: string; mode: number; major: number; minor: number };

const types = { file: 0o100000, link: 0o120000, folder: 0o040000, device: 0o020000 };

/**
 * An initramfs archive (Linux, Documentation/driver-api/early-userspace/buffer-format.rst, "newc"). The same entries give
 * the same bytes: members are sorted, and have no owner, time or inode of this machine.
 */
export function cpio(entries: Entry[]): Buffer {
  const all = new Map<string, Entry>();
  for (const entry of entries) {
    const parts = entry.path.split('/').slice(0, -1);
    for (let depth = 1; depth <= parts.length; depth++) {
      const path = parts.slice(0, depth).join('/');
      if (!all.has(path)) all.set(path, { kind: 'folder', path, mode: 0o755 });
    }
    all.set(entry.path, entry);
  }
  const sorted = [...all.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  const members = sorted.map((entry, i) => member(entry, i + 1));
  return Buffer.concat([...members, member({ kind: 'file', path: 'TRAILER!!!', mode: 0, data: Buffer.alloc(0) }, 0)]);
}

function member(entry: Entry, inode: number): Buffer {
  const data = entry.kind === 'file' ? entry.data : Buffer.from(entry.kind === 'link' ? entry.target : '');
  const mode = inode === 0 ? 0 : types[entry.kind] | (entry.kind === 'link' ? 0o777 : entry.mode);
  const device = entry.kind === 'device' ? entry : { major: 0, minor: 0 };
  const name = Buffer.from(`${entry.path}\0`);
  const fields = [inode, mode, 0, 0, entry.kind === 'folder' ? 2 : 1, 0, data.length, 0, 0, device.major, device.minor];
  const header = `070701${[...fields, name.length, 0].map((field) => field.toString(16).padStart(8, '0')).join('')}`;
  return Buffer.concat([padded(Buffer.concat([Buffer.from(header), name])), padded(data)]);
}

function padded(data: Buffer): Buffer {
  return Buffer.concat([data, Buffer.alloc((4 - (data.length % 4)) % 4)]);
}
