import type { ServerError } from './http.ts';
import type { SessionMessage } from './session.ts';

/** Messages of a session, one after the other. */
export class Inbox {
  #messages: SessionMessage[] = [];
  #error: ServerError | undefined;
  #wake: (() => void) | undefined;

  add(message: SessionMessage): void {
    this.#messages.push(message);
    this.#wake?.();
  }

  end(error: ServerError): void {
    this.#error = error;
    this.#wake?.();
  }

  reopen(): void {
    this.#error = undefined;
  }

  /** The next message; undefined when none came within `ms`. Throws when the session is over. */
  async next(ms: number): Promise<SessionMessage | undefined> {
    if (this.#messages.length === 0 && this.#error === undefined && ms > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      // setTimeout counts to 2^31 ms.
      const timer = setTimeout(resolve, Math.min(ms, 2 ** 31 - 1));
      this.#wake = resolve;
      await promise;
      clearTimeout(timer);
      this.#wake = undefined;
    }
    if (this.#messages.length === 0 && this.#error !== undefined) throw this.#error;
    return this.#messages.shift();
  }
}
