import { close, constants, open, read, write } from 'node:fs';
import { promisify } from 'node:util';
import { askTpm, type Exchange, type TpmAnswer } from './ask.ts';
import { lengthOf } from './commands.ts';

const [openFile, closeFile, readFile, writeFile] = [
  promisify(open),
  promisify(close),
  promisify(read),
  promisify(write),
];

/** The kernel's resource manager: it forgets what we load, and does not disturb others (Linux: Documentation/security/tpm). */
const DEVICE = '/dev/tpmrm0';
const MOST_BYTES = 4096;
// There is none, or it is another's: no root, or a program that keeps it for itself.
const notOurs = new Set(['ENOENT', 'ENXIO', 'ENODEV', 'ENOTDIR', 'EACCES', 'EPERM', 'EBUSY']);

/**
 * Asks this machine's TPM 2.0, in threads of their own, so that a slow one holds up nothing.
 * @param timeoutMs for all of it
 * @returns undefined where no TPM may be asked; throws when there was no answer in time
 */
export async function askDevice({ device = DEVICE, timeoutMs = 20_000 } = {}): Promise<TpmAnswer | undefined> {
  let file: number;
  try {
    file = await openFile(device, constants.O_RDWR | constants.O_NOCTTY);
  } catch (error) {
    if (notOurs.has((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
  let late = false;
  const exchange: Exchange = async (command) => {
    if (late) throw new Error('too late');
    return await exchangeBy(file, command);
  };
  const asked = askTpm(exchange).finally(() => closeFile(file));
  const { promise: over, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late = true;
    reject(new Error(`the TPM gave no answer at ${device} within ${timeoutMs} ms`));
  }, timeoutMs);
  try {
    return await Promise.race([asked, over]);
  } finally {
    clearTimeout(timer);
    // It ends later, and nobody waits for it.
    asked.catch(() => {});
  }
}

async function exchangeBy(file: number, command: Buffer): Promise<Buffer> {
  const { bytesWritten } = await writeFile(file, command, 0, command.length, null);
  if (bytesWritten !== command.length) throw new Error('the TPM took a part of a command');
  let response: Buffer = Buffer.alloc(0);
  for (;;) {
    const length = lengthOf(response);
    if (length !== undefined && (length < 10 || length > MOST_BYTES)) throw new Error('the answer of the TPM is none');
    if (length !== undefined && response.length >= length) return response.subarray(0, length);
    const part = Buffer.alloc(MOST_BYTES);
    const { bytesRead } = await readFile(file, part, 0, part.length, null);
    if (bytesRead === 0) throw new Error('the answer of the TPM is cut short');
    response = Buffer.concat([response, part.subarray(0, bytesRead)]);
  }
}
