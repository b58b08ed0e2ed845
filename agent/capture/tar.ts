/** What an archive can hold. */
export type Entry =
  | { kind: 'file'; content: Buffer }
  | { kind: 'link'; target: string }
  | { kind: 'directory' }
  | { kind: 'fifo' };

const typeFlags = { file: '0', link: '2', directory: '5', fifo: '6' };

/**
 * Writes a POSIX tar archive (ustar; pax headers for names over 100 bytes) of absolute paths. The same entries are the
 * same bytes: sorted, owned by root, of 1970.
 */
export function tar(entries: Map<string, Entry>): Buffer {
  const blocks: Buffer[] = [];
  for (const [path, entry] of [...entries].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const name = path.replace(/^\/+/, '');
    if (name === '') continue;
    const target = entry.kind === 'link' ? entry.target : '';
    const long = [['path', name] as const, ['linkpath', target] as const].filter(([, text]) => byteLength(text) > 100);
    if (long.length > 0) {
      const pax = Buffer.from(long.map(([key, text]) => paxRecord(key, text)).join(''));
      blocks.push(header('pax', 'x', pax.length, ''), padded(pax));
    }
    const content = entry.kind === 'file' ? entry.content : Buffer.alloc(0);
    blocks.push(header(name, typeFlags[entry.kind], content.length, target), padded(content));
  }
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

function header(name: string, type: string, size: number, target: string): Buffer {
  const block = Buffer.alloc(512);
  Buffer.from(name).copy(block, 0, 0, 100);
  block.write(type === '5' ? '0000755\0' : '0000644\0', 100);
  block.write('0000000\x000000000\0', 108);
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write('00000000000\0', 136);
  block.write(' '.repeat(8), 148);
  block.write(type, 156);
  Buffer.from(target).copy(block, 157, 0, 100);
  block.write('ustar\x0000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

// '<length> key=text\n', where the length counts its own digits.
function paxRecord(key: string, text: string): string {
  const rest = ` ${key}=${text}\n`;
  let length = byteLength(rest) + 1;
  while (byteLength(`${length}${rest}`) !== length) length += 1;
  return `${length}${rest}`;
}

function padded(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

function byteLength(text: string): number {
  return Buffer.byteLength(text);
}
