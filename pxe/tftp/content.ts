import { closeSync, readvSync } from 'node:fs';
import type { OpenFile } from './open-file.ts';

/** What a transfer sends: it stays what it is until it is closed. */
export interface Content {
  /** Bytes. */
  size: number;
  /** Fills these one after the other with what lies from `at` on; answers how many bytes there were. */
  read(into: Buffer[], at: number): number;
  close(): void;
}

export function contentOf({ fd, size }: OpenFile): Content {
  return { size, read: (into, at) => readvSync(fd, into, at), close: () => closeSync(fd) };
}

/** A text that was made for one client. It needs no disk: a machine boots also from a boot service whose disk is full. */
export function contentOfText(text: string): Content {
  const bytes = Buffer.from(text);
  const read = (into: Buffer[], at: number) =>
    into.reduce((done, buffer) => done + bytes.copy(buffer, 0, at + done, at + done + buffer.length), 0);
  return { size: bytes.length, read, close: () => undefined };
}
