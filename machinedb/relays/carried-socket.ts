import { EventEmitter } from 'node:events';
import type { SessionSocket } from '../routes/self.ts';

/** One node's session on a relay's connection: to the session it looks like a WebSocket of its own. */
export class CarriedSocket extends EventEmitter implements SessionSocket {
  readonly OPEN = 1;
  readyState: number = this.OPEN;
  readonly #send: (text: string) => void;
  readonly #close: (code: number, reason: string) => void;

  constructor(send: (text: string) => void, close: (code: number, reason: string) => void) {
    super();
    this.#send = send;
    this.#close = close;
  }

  send(text: string): void {
    if (this.readyState === this.OPEN) this.#send(text);
  }

  close(code: number, reason: string): void {
    if (this.readyState !== this.OPEN) return;
    this.#close(code, reason);
    this.ended();
  }

  /** What the node said. */
  said(text: string): void {
    if (this.readyState === this.OPEN) this.emit('message', text, false);
  }

  /** The node or its relay is gone. */
  ended(): void {
    if (this.readyState !== this.OPEN) return;
    this.readyState = 3;
    this.emit('close');
  }
}
