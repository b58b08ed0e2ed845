/** What UEFI machines start: iPXE, or, where Secure Boot is on, Debian's shim and GRUB, which are signed. */
export const loaders = ['ipxe', 'shim'] as const;
export type Loader = (typeof loaders)[number];

/** What a client that boots over the network says of itself. */
export interface BootClient {
  /** Client architecture (RFC 4578, section 2.1; RFC 5970, section 3.3); undefined: it does not say. */
  arch: number | undefined;
  /** Option 60, as it came. */
  vendorClass: string | undefined;
  isIpxe: boolean;
}

/** What it is to fetch: a name for TFTP, or an URL. `client` is how it called itself, and is called back. */
export interface BootFile {
  client: 'iPXE' | 'PXEClient' | 'HTTPClient';
  file: string;
}

/** Files by client architecture: those of firmware that speaks PXE, and of firmware that speaks HTTP. */
const files: Record<Loader, { PXEClient: Record<number, string>; HTTPClient: Record<number, string> }> = {
  ipxe: {
    PXEClient: { 0: 'undionly.kpxe', 7: 'snponly.efi', 9: 'snponly.efi' },
    HTTPClient: { 16: 'snponly.efi' },
  },
  shim: {
    PXEClient: { 0: 'undionly.kpxe', 7: 'shimx64.efi', 9: 'shimx64.efi' },
    // Debian's signed GRUB has no HTTP: firmware that gets no URL goes on to its PXE.
    HTTPClient: {},
  },
};

/**
 * The boot file of a client; undefined: it gets an address only. UEFI firmware does not tell whether Secure Boot is on, so that
 * the loader is a setting of the boot service.
 *
 * @param bootUrl http://HOST:PORT of the boot service
 */
export function bootFileOf(
  { arch, vendorClass, isIpxe }: BootClient,
  { loader, bootUrl }: { loader: Loader; bootUrl: string },
): BootFile | undefined {
  // The loop guard: what was loaded must not load itself.
  if (isIpxe) return { client: 'iPXE', file: `${bootUrl}/boot/ipxe` };
  const client = (['PXEClient', 'HTTPClient'] as const).find((name) => vendorClass?.startsWith(name) === true);
  if (client === undefined || arch === undefined) return undefined;
  const file = files[loader][client][arch];
  if (file === undefined) return undefined;
  return { client, file: client === 'HTTPClient' ? `${bootUrl}/loaders/${file}` : file };
}
