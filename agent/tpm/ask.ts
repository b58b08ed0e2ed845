import {
  createdOf,
  createEndorsement,
  getProperties,
  nvDataOf,
  nvPublicOf,
  nvRead,
  nvReadPublic,
  propertiesOf,
  publicOf,
  readPublic,
  TpmError,
} from './commands.ts';
import { certificateIn, type Endorsement, keyOf } from './public-key.ts';

/** Sends a command to the TPM and gives its whole answer. */
export type Exchange = (command: Buffer) => Promise<Buffer>;

/** What the TPM itself tells; the file TPM_ANSWER holds it as JSON. */
export interface TpmAnswer {
  /** Fixed properties (TPM_PT, part 2, 6.13) by their number. */
  properties: Record<string, number>;
  /** Kind of key ('rsa-2048') → its hashes. */
  endorsement: Record<string, Endorsement>;
}

// TCG EK Credential Profile, 2.2.1.4 and 2.2.1.5: where certificates of endorsement keys are.
const certificates: Record<string, number> = {
  'rsa-2048': 0x01c00002,
  'ecc-p256': 0x01c0000a,
  'rsa-2048-high': 0x01c00012,
  'ecc-p256-high': 0x01c00014,
  'ecc-p384': 0x01c00016,
  'ecc-p521': 0x01c00018,
  'rsa-3072': 0x01c0001c,
  'rsa-4096': 0x01c0001e,
};
// TCG TPM v2.0 Provisioning Guidance, 7.8: where endorsement keys are kept.
const keys = [0x81010001, 0x81010002, 0x81010016];
const mostCertificate = 8192;
const chunk = 512;

/**
 * Asks a TPM 2.0 what it is and for its endorsement keys: their certificates, else the keys that are kept, else the one that it
 * derives. Changes nothing in it.
 */
export async function askTpm(exchange: Exchange): Promise<TpmAnswer> {
  const properties = Object.fromEntries(propertiesOf(await exchange(getProperties())));
  const endorsement: Record<string, Endorsement> = {};
  for (const [kind, index] of Object.entries(certificates)) {
    const found = await orNothing(async () => certificateIn(await readIndex(exchange, index)));
    if (found !== undefined) endorsement[kind] = found;
  }
  const add = (area: Buffer) => {
    const found = keyOf(area);
    if (found !== undefined) endorsement[found.kind] ??= found.endorsement;
    return true;
  };
  for (const handle of keys) await orNothing(async () => add(publicOf(await exchange(readPublic(handle)))));
  if (Object.keys(endorsement).length === 0)
    await orNothing(async () => add(createdOf(await exchange(createEndorsement()))));
  return { properties, endorsement };
}

async function readIndex(exchange: Exchange, index: number): Promise<Buffer> {
  const { size, byOwner, byIndex } = nvPublicOf(await exchange(nvReadPublic(index)));
  if (size > mostCertificate || !(byOwner || byIndex)) return Buffer.alloc(0);
  const parts: Buffer[] = [];
  for (let offset = 0; offset < size; offset += chunk) {
    const range = [Math.min(chunk, size - offset), offset] as const;
    parts.push(nvDataOf(await exchange(nvRead(index, !byIndex, ...range))));
  }
  return Buffer.concat(parts);
}

// What the TPM lacks or forbids is absent; what it garbles, or does not answer, is thrown.
async function orNothing<T>(ask: () => Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof TpmError) return undefined;
    throw error;
  }
}
