import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ServerError } from '../client/http.ts';
import { type SeedSource, type SeedSourceOptions, seedSource } from './source.ts';

/** Port on 127.0.0.1, where the shipped rule lets root alone through (images/base-os/root/usr/lib/machinedb/seed.nft). */
export const SEED_PORT = 4282;
const DOCUMENTS = new Set(['meta-data', 'user-data', 'vendor-data', 'network-config']);
/** What cloud-init posts is a few kB. */
const MOST_BYTES = 64 * 1024;

export interface SeedServerOptions extends SeedSourceOptions {
  /** 0: any. */
  port: number;
  log: (message: string) => void;
}

/**
 * Gives cloud-init on this machine its documents, on the loopback interface: it needs neither the server's CA nor a token, which are
 * the agent's. Throws when the port is taken.
 */
export async function serveSeed(options: SeedServerOptions): Promise<{ url: string; close(): Promise<void> }> {
  const source = seedSource(options);
  let names: string[] = [];
  const server = createServer(
    { maxHeaderSize: 8192, requestTimeout: 10_000, headersTimeout: 5_000 },
    (request, response) => {
      answer(source, names, request)
        .then((text) => respond(response, 200, text))
        .catch((error: Error) => {
          const status = error instanceof ServerError ? statusOf(error) : 500;
          options.log(`cloud-init: ${error.message}`);
          respond(response, status, `${error.message}\n`);
        });
    },
  );
  server.maxConnections = 100;
  server.listen(options.port, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  names = [`127.0.0.1:${port}`, `localhost:${port}`];
  return {
    url: `http://${names[0]}/seed/`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

async function answer(source: SeedSource, names: string[], request: IncomingMessage): Promise<string> {
  // A page in a browser of this machine whose name was pointed here (DNS rebinding).
  if (!names.includes(request.headers.host ?? ''))
    throw new ServerError(403, '', 'the header Host is not of this port');
  const path = /^\/seed\/([a-z0-9/._-]{1,200})$/.exec(request.url ?? '')?.[1] ?? '';
  const { method } = request;
  if (method === 'GET' && DOCUMENTS.has(path)) return await source.document(path);
  if (method === 'GET' && /^secret\/[a-z0-9._-]+$/.test(path)) return await source.ask({ method }, path);
  if (method === 'POST' && path === 'phone-home') {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return await source.ask({ method, headers, body: await bodyOf(request) }, path);
  }
  throw new ServerError(404, '', 'there is nothing like that');
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_BYTES) throw new ServerError(413, '', `the form is larger than ${MOST_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** cloud-init asks again after 5xx; what the node itself may not have is no concern of who asked. */
function statusOf({ status }: ServerError): number {
  return status === 0 || status === 401 || status >= 500 ? 503 : status;
}

function respond(response: ServerResponse, status: number, text: string): void {
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'content-length': Buffer.byteLength(text) };
  response.writeHead(status, headers).end(text);
}
