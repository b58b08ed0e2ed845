import https from 'node:https';
import { tlsOptions } from '../machinedb/cli/connect.ts';
import type { DaemonProcess } from './harness.ts';

export interface Answer {
  status: number;
  body: { detail: string; type: string };
  headers: Record<string, string | string[] | undefined>;
}

/** Sends bytes to a daemon as they are, with the operator's token. */
export async function send(
  daemon: DaemonProcess,
  method: string,
  path: string,
  body?: string | Buffer,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const outgoing = https.request(
    new URL(path, daemon.url),
    {
      method,
      agent: false,
      ...tlsOptions(daemon.connection),
      headers: { authorization: `Bearer ${daemon.connection.token}`, ...headers },
    },
    (incoming) => {
      let text = '';
      incoming.on('data', (chunk: Buffer) => {
        text += String(chunk);
      });
      incoming.on('end', () =>
        resolve({
          status: incoming.statusCode!,
          headers: incoming.headers,
          body: text === '' ? {} : JSON.parse(text),
        } as Answer),
      );
    },
  );
  outgoing.on('error', reject);
  outgoing.end(body);
  return await promise;
}
