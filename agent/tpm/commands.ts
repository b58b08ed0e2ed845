/**
 * The few commands of the TPM 2.0 library specification, part 3, that read what never changes. None of them writes to the TPM,
 * and none takes a secret.
 */
const NO_SESSIONS = 0x8001;
const SESSIONS = 0x8002;
const PASSWORD = 0x40000009;
const OWNER = 0x40000001;
const ENDORSEMENT = 0x4000000b;
const HEADER = 10;

/** A TPM's answer that says no; `code` is its TPM_RC. */
export class TpmError extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`the TPM answered with error 0x${code.toString(16)}`);
    this.code = code;
  }
}

/** TPM2_GetCapability (30.2): 64 fixed properties (TPM_PT_FIXED, part 2, 6.13). */
export const getProperties = (): Buffer => command(0x17a, words(6, 0x100, 64));

/** TPM2_NV_ReadPublic (31.6). */
export const nvReadPublic = (index: number): Buffer => command(0x169, words(index));

/** TPM2_ReadPublic (12.4). */
export const readPublic = (handle: number): Buffer => command(0x173, words(handle));

/**
 * TPM2_NV_Read (31.13) with an empty password.
 * @param byOwner by the owner's right to read, else by the index' own
 */
export function nvRead(index: number, byOwner: boolean, size: number, offset: number): Buffer {
  const range = Buffer.alloc(4);
  range.writeUInt16BE(size);
  range.writeUInt16BE(offset, 2);
  return command(0x14e, Buffer.concat([words(byOwner ? OWNER : index, index), emptyPassword, range]), SESSIONS);
}

// TCG EK Credential Profile, B.3.4 (template L-2): the primary key of the endorsement hierarchy on NIST P-256.
const policy = Buffer.from('837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa', 'hex');
const template = Buffer.concat([
  Buffer.from('0023000b000300b20020', 'hex'),
  policy,
  Buffer.from('000600800043001000030010', 'hex'),
  Buffer.from('0020', 'hex'),
  Buffer.alloc(32),
  Buffer.from('0020', 'hex'),
  Buffer.alloc(32),
]);

/**
 * TPM2_CreatePrimary (24.1) of the endorsement key: derived from the TPM's seed, so the same each time, and kept nowhere; the
 * resource manager forgets it when the device is closed.
 */
export function createEndorsement(): Buffer {
  const nothingSensitive = Buffer.from('000400000000', 'hex');
  const noDataNoPcr = Buffer.from('000000000000', 'hex');
  const body = [words(ENDORSEMENT), emptyPassword, nothingSensitive, sized(template), noDataNoPcr];
  return command(0x131, Buffer.concat(body), SESSIONS);
}

/** Property → value. */
export function propertiesOf(response: Buffer): Map<number, number> {
  const body = bodyOf(response);
  const count = body.readUInt32BE(5);
  if (count > 1024) throw new Error(`the TPM tells ${count} properties`);
  const at = Array.from({ length: count }, (_, index) => 9 + index * 8);
  return new Map(at.map((offset) => [body.readUInt32BE(offset), body.readUInt32BE(offset + 4)]));
}

/** Size of an NV index, and who may read it (TPMA_NV, part 2, 13.4). */
export function nvPublicOf(response: Buffer): { size: number; byOwner: boolean; byIndex: boolean } {
  const area = firstSized(bodyOf(response));
  const attributes = area.readUInt32BE(6);
  const size = area.readUInt16BE(area.readUInt16BE(10) + 12);
  return { size, byOwner: (attributes & 0x20000) !== 0, byIndex: (attributes & 0x40000) !== 0 };
}

/** Bytes that TPM2_NV_Read gave. */
export const nvDataOf = (response: Buffer): Buffer => firstSized(bodyOf(response).subarray(4));

/** The TPMT_PUBLIC in the answer to TPM2_ReadPublic. */
export const publicOf = (response: Buffer): Buffer => firstSized(bodyOf(response));

/** The TPMT_PUBLIC in the answer to TPM2_CreatePrimary. */
export const createdOf = (response: Buffer): Buffer => firstSized(bodyOf(response).subarray(8));

/** Length of a whole answer by its header, or undefined while that is not complete. */
export function lengthOf(response: Buffer): number | undefined {
  return response.length < HEADER ? undefined : response.readUInt32BE(2);
}

function command(code: number, body: Buffer, tag = NO_SESSIONS): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUInt16BE(tag);
  header.writeUInt32BE(HEADER + body.length, 2);
  header.writeUInt32BE(code, 6);
  return Buffer.concat([header, body]);
}

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, index * 4);
  return bytes;
}

const emptyPassword = Buffer.concat([words(9, PASSWORD), Buffer.from('0000000000', 'hex')]);

function sized(bytes: Buffer): Buffer {
  const size = Buffer.alloc(2);
  size.writeUInt16BE(bytes.length);
  return Buffer.concat([size, bytes]);
}

function bodyOf(response: Buffer): Buffer {
  const code = response.readUInt32BE(6);
  if (code !== 0) throw new TpmError(code);
  return response.subarray(HEADER);
}

// TPM2B: 16 bits of size and as many bytes.
function firstSized(bytes: Buffer): Buffer {
  const size = bytes.readUInt16BE();
  if (size + 2 > bytes.length) throw new Error('the answer of the TPM is cut short');
  return bytes.subarray(2, 2 + size);
}
