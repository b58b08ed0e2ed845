import { closeSync, readSync } from 'node:fs';
import type { OpenFile } from './open-file.ts';
import { dataPacket, optionsPacket, type Terms } from './packet.ts';

/** Times that a window is sent again before its client is given up. */
const ATTEMPTS = 6;

export interface TransferOptions {
  file: OpenFile;
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
  #timer: NodeJS.Timeout | undefined;
  #started: boolean;
  #ended = false;

  constructor(options: TransferOptions) {
    this.#options = options;
    // A last block that is shorter than the others, or empty, ends the file.
    this.#last = Math.floor(options.file.size / options.terms.blockSize) + 1;
    this.#started = Object.keys(options.terms.agreed).length === 0;
    this.#sendWindow();
  }

  /** The client acknowledged up to this block number, modulo 65,536. */
  acknowledge(block: number): void {
    if (this.#ended) return;
    if (!this.#started) {
      // The acknowledgement of our options; until it comes no data flows to an address that may be forged.
      if (block !== 0) return;
      this.#started = true;
      this.#attempts = 0;
      this.#sendWindow();
      return;
    }
    const ahead = (block - this.#acknowledged) & 0xffff;
    if (ahead === 0 || ahead > this.#sent - this.#acknowledged) return;
    this.#acknowledged += ahead;
    this.#attempts = 0;
    if (this.#acknowledged === this.#last) this.end(true);
    else this.#sendWindow();
  }

  end(whole: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    closeSync(this.#options.file.fd);
    this.#options.done(whole);
  }

  #sendWindow(): void {
    clearTimeout(this.#timer);
    const { terms, send } = this.#options;
    if (this.#attempts++ >= ATTEMPTS) {
      this.end(false);
      return;
    }
    if (!this.#started) send(optionsPacket(terms.agreed));
    else {
      this.#sent = Math.min(this.#acknowledged + terms.window, this.#last);
      for (let block = this.#acknowledged + 1; block <= this.#sent; block++)
        send(dataPacket(block & 0xffff, this.#read(block)));
    }
    this.#timer = setTimeout(() => this.#sendWindow(), terms.timeoutMs);
  }

  #read(block: number): Buffer {
    const { file, terms } = this.#options;
    const at = (block - 1) * terms.blockSize;
    const buffer = Buffer.alloc(Math.max(0, Math.min(terms.blockSize, file.size - at)));
    return buffer.subarray(0, readSync(file.fd, buffer, 0, buffer.length, at));
  }
}
