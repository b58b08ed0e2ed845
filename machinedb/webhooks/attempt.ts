import type { Reader } from '../db.ts';
import type { Kek } from '../trust/seal.ts';
import type { Message } from './message.ts';
import { type PostOptions, post } from './post.ts';
import { signingKeys } from './secret.ts';
import { signedHeaders } from './signature.ts';

export interface Attempt {
  /** The receiver has it. */
  delivered: boolean;
  status?: number;
  /** Why it does not. */
  error?: string;
  /** The receiver wants no more of them (410). */
  gone: boolean;
}

/** Sends a message once. A failure is its result; only a secret that cannot be read is thrown. */
export async function attempt(
  db: Reader,
  kek: Kek,
  { name, url }: { name: string; url: string },
  { id, body }: Message,
  options: PostOptions & { now: () => number },
): Promise<Attempt> {
  const now = options.now();
  const keys = await signingKeys(db, kek, name, now);
  const headers = {
    'content-type': 'application/cloudevents+json; charset=utf-8',
    'user-agent': 'machinedb',
    ...signedHeaders(keys, id, Math.floor(now / 1000), body),
  };
  try {
    const status = await post(new URL(url), headers, body, options);
    if (status >= 200 && status < 300) return { delivered: true, status, gone: false };
    return { delivered: false, status, gone: status === 410, error: meaningOf(status) };
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    return { delivered: false, gone: false, error: message || code || 'it failed without a reason' };
  }
}

function meaningOf(status: number): string {
  if (status === 410) return 'the receiver answered 410: it wants no more';
  if (status >= 300 && status < 400)
    return `the receiver answered ${status}: redirects are not followed, put its address`;
  return `the receiver answered ${status}`;
}
