import https from 'node:https';
import { checkedAddress, literalOf, type Resolve } from './address.ts';

export interface PostOptions {
  /** The whole of an attempt, milliseconds: lookup, connection, answer. */
  timeoutMs: number;
  /** Networks (CIDR) that may be sent to besides public addresses. */
  allowed: readonly string[];
  resolve: Resolve;
  /** PEM of the authorities trusted; those of the system when undefined. */
  ca?: string | undefined;
}

/** Bytes of an answer that are read before the connection is closed. */
const READ = 16_384;

/**
 * Sends a body by POST over TLS; answers the status. A redirect is an answer like any other: it is not followed. Throws when
 * there is no answer in time, naming the cause.
 */
export async function post(
  url: URL,
  headers: Record<string, string>,
  body: string,
  { timeoutMs, allowed, resolve, ca }: PostOptions,
): Promise<number> {
  const { promise, resolve: done, reject } = Promise.withResolvers<number>();
  let request: ReturnType<typeof https.request> | undefined;
  const timer = setTimeout(() => {
    reject(new Error(`no answer within ${timeoutMs / 1000} s`));
    request?.destroy();
  }, timeoutMs);
  try {
    const address = await Promise.race([checkedAddress(url, allowed, resolve), promise.then(() => '')]);
    request = https.request({
      method: 'POST',
      // The very address that was judged: no name is looked up again.
      host: address,
      ...(literalOf(url) === undefined ? { servername: url.hostname } : {}),
      port: url.port === '' ? 443 : Number(url.port),
      path: url.pathname + url.search,
      headers: { ...headers, host: url.host, 'content-length': String(Buffer.byteLength(body)) },
      agent: false,
      ...(ca === undefined ? {} : { ca }),
    });
    request.on('error', reject);
    request.on('response', (answer) => {
      let read = 0;
      const end = () => {
        done(answer.statusCode ?? 0);
        request?.destroy();
      };
      answer.on('data', (chunk: Buffer) => {
        read += chunk.length;
        if (read > READ) end();
      });
      answer.on('end', end);
      answer.on('error', reject);
      answer.on('close', () => reject(new Error('the answer broke off')));
    });
    request.end(body);
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}
