import type { Content } from './content.ts';
import { DATA_HEADER, errorPacket, errors, optionsPacket, type Terms, writeDataHeader } from './packet.ts';

/**
 * Times that a window is sent before its client is given up: few until it has answered once, for its address may be forged;
 * more after that, so that a link that loses every third packet still carries a file to its end.
 */
const FIRST_ATTEMPTS = 6;
const ATTEMPTS = 25;

export interface TransferOptions {
  file: Content;
  terms: Terms;
  send: (packet: Buffer) => void;
  /** Called once: `whole` when the last block was acknowledged. */
  done: (whole: boolean) => void;
}

/**
 * Sends one file to one client (RFC 1350, windows by RFC 7440). An acknowledgement that is old moves nothing, so that no block
 * is sent twice for a duplicate (the "sorcerer's apprentice"); one ahead of what was sent is ignored.
 */
export class Transfer {
  readonly #options: TransferOptions;
  /** Blocks acknowledged, and the last one sent; blocks count from 1 and roll over on the wire only. */
  #acknowledged = 0;
  #sent = 0;
  readonly #last: number;
  #attempts = 0;
  #most = FIRST_ATTEMPTS;
  #timer: NodeJS.Timeout | undefined;
  #started: boolean;
  #ended = false;

  constructor(options: TransferOptions) {
    this.#options = options;
    // A last block that is shorter than the others, or empty, ends the file.
    this.#last = Math.floor(options.file.size / options.terms.blockSize) + 1;
    this.#started = Object.keys(options.terms.agreed).length === 0;
  }

  start(): void {
    if (!this.#ended) this.#sendWindow();
  }

  /** The client acknowledged up to this block number, modulo 65,536. */
  acknowledge(block: number): void {
    if (this.#ended) return;
    if (!this.#started) {
      // The acknowledgement of our options; until it comes no data flows to an address that may be forged.
      if (block !== 0) return;
      this.#started = true;
      this.#goOn();
      return;
    }
    const ahead = (block - this.#acknowledged) & 0xffff;
    if (ahead === 0 || ahead > this.#sent - this.#acknowledged) return;
    this.#acknowledged += ahead;
    if (this.#acknowledged === this.#last) this.end(true);
    else this.#goOn();
  }

  end(whole: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#options.file.close();
    this.#options.done(whole);
  }

  #goOn(): void {
    this.#attempts = 0;
    this.#most = ATTEMPTS;
    this.#sendWindow();
  }

  #sendWindow(): void {
    const { terms, send } = this.#options;
    if (this.#attempts++ >= this.#most) {
      this.end(false);
      return;
    }
    try {
      if (this.#started) this.#sendBlocks();
      else send(optionsPacket(terms.agreed));
    } catch {
      send(errorPacket(errors.undefined, 'the file cannot be read'));
      this.end(false);
      return;
    }
    if (this.#timer === undefined) this.#timer = setTimeout(() => this.#sendWindow(), terms.timeoutMs);
    else this.#timer.refresh();
  }

  #sendBlocks(): void {
    const { terms, send } = this.#options;
    this.#sent = Math.min(this.#acknowledged + terms.window, this.#last);
    for (const packet of this.#read(this.#acknowledged + 1, this.#sent)) send(packet);
  }

  /**
   * The data packets of these blocks, in one buffer and by one read.
   *
   * @throws Error when the file became shorter: a short block would tell the client that it has the whole
   */
  #read(first: number, last: number): Buffer[] {
    const { file, terms } = this.#options;
    const at = (first - 1) * terms.blockSize;
    const bytes = Math.min((last - first + 1) * terms.blockSize, file.size - at);
    const window = Buffer.allocUnsafe((last - first + 1) * DATA_HEADER + bytes);
    const packets: Buffer[] = [];
    const contents: Buffer[] = [];
    for (let block = first, start = 0; block <= last; block++, start += DATA_HEADER + terms.blockSize) {
      const packet = window.subarray(start, start + DATA_HEADER + terms.blockSize);
      writeDataHeader(packet, block);
      packets.push(packet);
      contents.push(packet.subarray(DATA_HEADER));
    }
    if (file.read(contents, at) !== bytes) throw new Error('the file became shorter');
    return packets;
  }
}
