import { createHmac } from 'node:crypto';
import type { Entry } from './tar.ts';

// Members of a report, and of what is in it, that tell one machine from all others.
const identifying = /(^|_)(serial|uuid|mac|guid|wwn|asset_tag|machine_id|chassis_id)$/;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
// No part of a longer row of bytes, such as InfiniBand's 20; other letters may stand before it in binary files.
const anyMac = '(?<![0-9a-f]:?)(?:[0-9a-f]{2}:){5}[0-9a-f]{2}(?!:?[0-9a-f])';
const isMac = (text: string) => /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text);
// The half of an IPv6 address that is made of a MAC (RFC 4291, appendix A), as people write it, and as /proc/net/if_inet6 does.
const ofMac6 = /(?<![0-9a-f])([0-9a-f]{0,4}):([0-9a-f]{0,2})ff:fe([0-9a-f]{2}):([0-9a-f]{1,4})(?![0-9a-f:])/gi;
const ofMac6Plain = /([0-9a-f]{6})fffe([0-9a-f]{6})/gi;
/** Shorter values stand for other things, too ('0001'): they are replaced only where they are all that a file holds. */
const SHORT = 5;

/**
 * Puts others in the place of what identifies a machine: each value that the report has as a serial number, UUID, MAC, GUID, WWN,
 * asset tag or machine-id, and every MAC, wherever it stands, also in names and in IPv6 addresses, and of UUIDs and MACs also their bytes. One value is
 * replaced by one other of the same form, so that what belonged together still does. Makers stay: the first half of a MAC.
 * @param secret random bytes, of this archive only: without them nobody can try which value became which
 */
export function blank(entries: Map<string, Entry>, report: unknown, secret: Buffer): Map<string, Entry> {
  const values = [...new Set(valuesIn(report))].sort((a, b) => b.length - a.length);
  const long = values.filter((value) => value.length >= SHORT);
  // Without colons a MAC is part of a name: enx525400123456.
  const macs = new Set(long.filter(isMac).map((value) => value.replaceAll(':', '')));
  const other = (value: string) => disguised(value, secret, isMac(value) || macs.has(value.toLowerCase()));
  const pattern = new RegExp([...[...long, ...macs].map(escaped), anyMac].join('|'), 'gi');
  const text = (from: string) => withoutMacs6(from.replace(pattern, other), secret);
  const bytes = (content: Buffer) => {
    const whole = content.toString('latin1');
    if (values.includes(whole.trim().toLowerCase())) return Buffer.from(whole.replace(whole.trim(), other), 'latin1');
    const raw = long.filter((value) => isMac(value) || uuid.test(value));
    return Buffer.from(
      raw.reduce((now, value) => replaceRaw(now, value, other), text(whole)),
      'latin1',
    );
  };
  const blanked = (entry: Entry): Entry => {
    if (entry.kind === 'file') return { kind: 'file', content: bytes(entry.content) };
    return entry.kind === 'link' ? { kind: 'link', target: text(entry.target) } : entry;
  };
  return new Map([...entries].map(([path, entry]) => [text(path), blanked(entry)] as const));
}

const escaped = (value: string) => value.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

function* valuesIn(part: unknown): Generator<string> {
  if (part === null || typeof part !== 'object') return;
  for (const [name, value] of Object.entries(part)) {
    if (isMac(name)) yield name.toLowerCase();
    if (typeof value === 'string' && identifying.test(name)) yield value.replace(/^(naa|eui|uuid)\./, '').toLowerCase();
    yield* valuesIn(value);
  }
}

/** Another value of the same form: a digit for a digit, a letter for a letter of the same case, a hexadecimal one for such. */
function disguised(value: string, secret: Buffer, ofMac: boolean): string {
  const noise = createHmac('sha512', secret).update(value.toLowerCase().replaceAll(':', '')).digest();
  let at = 0;
  return value.replace(/[0-9a-z]/gi, (character) => {
    const byte = noise[at++ % noise.length]!;
    if (ofMac && at <= 6) return character;
    if (/\d/.test(character)) return String(byte % 10);
    const [first, count] = /[a-f]/i.test(character) ? [97, 6] : [103, 20];
    const letter = String.fromCharCode(first + (byte % count));
    return character === character.toLowerCase() ? letter : letter.toUpperCase();
  });
}

/** IPv6 addresses tell the MAC that they are made of: in its place they get the one that it became. */
function withoutMacs6(text: string, secret: Buffer): string {
  const rest = (maker: string, end: string) => {
    const flipped = (Number.parseInt(maker, 16) ^ 0x020000).toString(16).padStart(6, '0');
    return disguised(`${flipped}${end}`, secret, true).slice(6);
  };
  return text
    .replace(ofMac6, (_, first: string, second: string, third: string, last: string) => {
      const end = rest(first.padStart(4, '0') + second.padStart(2, '0'), third + last.padStart(4, '0'));
      return `${first}:${second}ff:fe${end.slice(0, 2)}:${end.slice(2).replace(/^0{1,3}/, '')}`;
    })
    .replace(ofMac6Plain, (_, maker: string, end: string) => `${maker}fffe${rest(maker, end)}`);
}

/** The bytes of a MAC, or of a UUID: as they are, and as SMBIOS has them (DSP0134, 7.2.1), both in latin1. */
function replaceRaw(text: string, value: string, other: (value: string) => string): string {
  const forms = (from: string) => {
    const raw = Buffer.from(from.replace(/[:-]/g, ''), 'hex');
    if (raw.length !== 16) return [raw];
    const swapped = Buffer.from(raw);
    swapped.subarray(0, 4).reverse();
    swapped.subarray(4, 6).reverse();
    swapped.subarray(6, 8).reverse();
    return [raw, swapped];
  };
  const [from, to] = [forms(value), forms(other(value))];
  return from.reduce(
    (now, form, index) => now.replaceAll(form.toString('latin1'), to[index]!.toString('latin1')),
    text,
  );
}
