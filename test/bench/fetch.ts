import https from 'node:https';
import type { DaemonProcess } from '../harness.ts';

export interface Fetched {
  etag: string;
  bytes: number;
  /** Milliseconds to the head of the answer, and to its end. */
  head: number;
  whole: number;
}

/** Asks a daemon by GET as an operator; what it answers is read, and not parsed. */
export async function ask(
  { connection, url }: { connection: Pick<DaemonProcess['connection'], 'ca' | 'token'>; url: string },
  path: string,
  etag?: string,
): Promise<Fetched> {
  const headers = {
    authorization: `Bearer ${connection.token}`,
    ...(etag === undefined ? {} : { 'if-none-match': etag }),
  };
  return await fetch(`${url}${path}`, { headers, ca: connection.ca, servername: 'machinedb' });
}

const keepAlive = new https.Agent({ keepAlive: true });

/** GET by a connection that is kept. */
export async function fetch(url: string, options: https.RequestOptions): Promise<Fetched> {
  const { promise, resolve, reject } = Promise.withResolvers<Fetched>();
  const start = performance.now();
  https
    .get(url, { agent: keepAlive, ...options }, (incoming) => {
      const head = performance.now() - start;
      let bytes = 0;
      incoming.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      incoming.on('error', reject);
      incoming.on('end', () => {
        const { statusCode } = incoming;
        if (statusCode !== 200 && statusCode !== 304) reject(new Error(`${url} answered ${statusCode}`));
        resolve({ etag: incoming.headers.etag ?? '', bytes, head, whole: performance.now() - start });
      });
    })
    .on('error', reject);
  return await promise;
}
