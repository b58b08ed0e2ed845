import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { BootAnswer, BootRequest } from '../../shared/boot.ts';
import { answerTo } from './answer.ts';
import type { Files } from './files.ts';
import { firstScript, renderIpxe } from './ipxe.ts';
import { serveLoader } from './loader.ts';

export interface BootHttpOptions {
  address: string;
  port: number;
  /** Files by their SHA-256. */
  files: Files;
  /** Folder with the loaders that firmware fetches by HTTP; undefined: it fetches none. */
  loaders?: string;
  idleMs?: number;
  decide: (request: BootRequest) => Promise<BootAnswer>;
  /** Words for the kernel that only this boot service knows, such as where it is. */
  arguments: (url: string) => string[];
  log: { info: (data: object, message: string) => void; warn: (data: object, message: string) => void };
}

export interface BootHttp {
  /** http://HOST:PORT */
  url: string;
  close(): Promise<void>;
}

/** A connection on which nothing moves is closed: its client may have lost power. */
const IDLE_MS = 120_000;
const MOST_CONNECTIONS = 8000;

/** Serves boot scripts and files to loaders and installers, over plain HTTP: what they fetch is judged by its digest. */
export async function startBootHttp(options: BootHttpOptions): Promise<BootHttp> {
  let url = '';
  const server = createServer(
    { maxHeaderSize: 8192, requestTimeout: 10_000, headersTimeout: 5_000, connectionsCheckingInterval: 1_000 },
    (request, response) => {
      route(request, response).catch((error: Error) => {
        options.log.warn({ cause: error.message, path: request.url }, 'a boot request failed');
        if (!response.headersSent) response.writeHead(500);
        response.end();
      });
    },
  );
  server.maxConnections = MOST_CONNECTIONS;
  server.setTimeout(options.idleMs ?? IDLE_MS);
  const route = async (request: IncomingMessage, response: ServerResponse) => {
    const target = URL.parse(request.url ?? '', 'http://boot');
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return void response.writeHead(405, { allow: 'GET, HEAD' }).end();
    const file = /^\/files\/([0-9a-f]{64})$/.exec(target?.pathname ?? '')?.[1];
    if (file !== undefined) return await options.files.serve(request, response, file);
    const loader = /^\/loaders\/([\w.-]+)$/.exec(target?.pathname ?? '')?.[1];
    if (loader !== undefined && options.loaders !== undefined)
      return await serveLoader(request, response, options.loaders, loader, options.log);
    if (target?.pathname === '/boot/ipxe') return text(response, firstScript(url));
    if (target?.pathname === '/boot/script')
      return text(response, await script(options, url, target.searchParams, request.socket.remoteAddress));
    response.writeHead(404).end();
  };
  server.listen(options.port, options.address);
  await Promise.race([once(server, 'listening'), failure(server, options)]);
  url = `http://${options.address}:${(server.address() as AddressInfo).port}`;
  return {
    url,
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

async function failure(server: ReturnType<typeof createServer>, { address, port }: BootHttpOptions): Promise<never> {
  const [error] = (await once(server, 'error')) as [NodeJS.ErrnoException];
  if (error.code !== 'EADDRINUSE') throw error;
  throw new Error(`TCP ${address}:${port} is taken by another program: set MACHINEDB_PXE_PORT to another port`);
}

/** The script for one machine. */
async function script(
  options: BootHttpOptions,
  url: string,
  query: URLSearchParams,
  address: string | undefined,
): Promise<string> {
  const platform = query.get('platform') === 'efi' ? 'efi' : 'pcbios';
  const answer = await answerTo(query, platform, address, options);
  return renderIpxe(answer, { url, platform, arguments: options.arguments(url) });
}

function text(response: ServerResponse, body: string): void {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(body) }).end(body);
}
