/** An IPv4 address as a number. */
export function toNumber(address: string): number {
  return address.split('.').reduce((number, part) => number * 256 + Number(part), 0);
}

export function fromNumber(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.');
}

/** The mask of a prefix length: 24 → 255.255.255.0. */
export function maskOf(prefixLength: number): string {
  return fromNumber(2 ** 32 - 2 ** (32 - prefixLength));
}

/** First address of the network that holds this one, as a number. */
export function networkOf(address: string, prefixLength: number): number {
  const size = 2 ** (32 - prefixLength);
  return Math.floor(toNumber(address) / size) * size;
}

/** An IPv4 network: any address of it, and its prefix length. */
export interface Network {
  address: string;
  prefixLength: number;
}

export function contains({ address, prefixLength }: Network, other: string): boolean {
  return networkOf(address, prefixLength) === networkOf(other, prefixLength);
}
