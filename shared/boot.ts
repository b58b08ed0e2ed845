import { z } from 'zod';
import { name } from './sections/name.ts';

/** Label of the root file system of golden images: GRUB and the kernel find it by that. */
export const ROOT_LABEL = 'machinedb-root';

export const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 is 64 hexadecimal digits');

/** One word of a kernel's command line. Nothing that ends a line, quotes, or means something to a loader gets through. */
export const kernelArgument = z
  .string()
  .max(512)
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9_.-]*(=[A-Za-z0-9_.,:/@+=[\]-]*)?$/,
    'a kernel argument is one word of letters, digits and _.,:/@+=[]-',
  );

/**
 * What a machine's loader is to do: start its local disk, on UEFI by a loader of ours if one is named; a kernel with an initramfs, each named by its SHA-256 and fetched
 * from the boot service; or nothing but look again later.
 */
export const bootSpec = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('local'), loader: sha256.optional() }),
  z.object({
    kind: z.literal('linux'),
    kernel: sha256,
    initrd: sha256,
    overlays: z
      .array(sha256)
      .max(4)
      .optional()
      .describe('Initramfs parts that are unpacked over initrd, in this order'),
    arguments: z.array(kernelArgument).max(64),
  }),
  z.object({ kind: z.literal('wait'), seconds: z.int().min(1).max(3600) }),
]);
export type BootSpec = z.infer<typeof bootSpec>;

/** What is known of a machine that asks how to boot. `arch` is its client architecture (RFC 4578, section 2.1). */
export const bootRequest = z.strictObject({
  mac: z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/, 'write a MAC as aa:bb:cc:dd:ee:ff, in lower case'),
  arch: z.coerce.number().int().min(0).max(0xffff).optional(),
  uuid: z.string().max(64).optional(),
  serial: z.string().max(200).optional(),
  /** Address that the boot service gave it or saw it with. */
  address: z.string().max(64).optional(),
});
export type BootRequest = z.infer<typeof bootRequest>;

/** The answer, and why, in words for people. */
export const bootAnswer = z.object({
  spec: bootSpec,
  reason: z.string(),
  node: z.string().optional(),
  name: z.string().optional(),
  state: z.string().optional(),
  addresses: z.array(z.string()).optional().describe('Wanted of the card that asks, CIDR: what DHCP gives it'),
});
export type BootAnswer = z.infer<typeof bootAnswer>;

/** A file of an image: found by its SHA-256. */
const imageFile = z.object({ sha256, size: z.int().min(1).describe('Bytes') });

/** What an image is. The discovery image is a kernel, an initramfs and a loader; a disk image is one stream for a disk. */
export const imageManifest = z.object({
  name: name.describe('<image>-<yyyy.mm>[.n], with the site before it where it is for one'),
  kind: z.enum(['discovery', 'disk']),
  architecture: z.enum(['amd64']),
  built_at: z.iso.datetime(),
  files: z.object({
    kernel: imageFile.optional(),
    initrd: imageFile.optional(),
    loader: imageFile.optional().describe('Of a discovery image: starts the disk of an installed node on UEFI'),
    rescue: imageFile.optional().describe('Of a discovery image: the initramfs part with the SSH server'),
    disk: imageFile
      .extend({
        encoding: z.literal('zstd'),
        raw_sha256: sha256,
        raw_size: z.int().min(1).describe('Bytes on the disk, a multiple of 512'),
      })
      .optional(),
  }),
  agent: sha256.describe('Of the agent executable inside'),
  packages: z.record(z.string(), z.string()).describe('Debian package → version'),
});
export type ImageManifest = z.infer<typeof imageManifest>;

/** A manifest as the catalogue keeps it: signed over imageText(). */
export const signedImage = z.object({
  manifest: imageManifest,
  signature: z.string().describe('ed25519, base64'),
  key: z.string().describe('Of the signing key, as in trust.wanted_keys'),
});
export type SignedImage = z.infer<typeof signedImage>;
