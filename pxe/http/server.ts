import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { BootAnswer, BootRequest } from '../../shared/boot.ts';
import type { QueueLimits } from '../fair-queue.ts';
import { Admission, comeAgain } from './admission.ts';
import { answerTo } from './answer.ts';
import { type Files, NotNow } from './files.ts';
import { firstScript, renderIpxe } from './ipxe.ts';
import { serveLoader } from './loader.ts';
import { pausesOf } from './pauses.ts';

export interface BootHttpOptions {
  address: string;
  port: number;
  /** Files by their SHA-256. */
  files: Files;
  /** Folder with the loaders that firmware fetches by HTTP; undefined: it fetches none. */
  loaders?: string;
  /** http://HOST:PORT of an nginx that stands before this service and sends the files; undefined: there is none. */
  nginx?: string | undefined;
  /** Which rack an address is of: racks are served in turn. */
  rackOf: (address: string) => string;
  /** How many files and decisions are had at a time. */
  limits?: { files: QueueLimits; decisions: QueueLimits };
  idleMs?: number;
  decide: (request: BootRequest) => Promise<BootAnswer>;
  /** Words for the kernel that only this boot service knows, such as where it is. */
  arguments: (url: string) => string[];
  log: { info: (data: object, message: string) => void; warn: (data: object, message: string) => void };
  /** Uniform in [0, 1). */
  random: () => number;
}

export interface BootHttp {
  /** http://HOST:PORT, nginx's where there is one. */
  url: string;
  /** The port that it listens on itself. */
  port: number;
  close(): Promise<void>;
}

/** A connection on which nothing moves is closed: its client may have lost power. */
export const IDLE_MS = 120_000;
const MOST_CONNECTIONS = 8000;
/** Connections that the kernel makes before we take them: a machine whose first packet is dropped tries again after seconds. */
const BACKLOG = 4096;
/**
 * A file on its way holds half a MiB, one that waits a connection: so the memory of a storm is known beforehand. Decisions are
 * questions to a database.
 */
export const LIMITS = {
  files: { slots: 128, waiting: 4000, perClient: 8, patienceMs: 15_000 },
  decisions: { slots: 32, waiting: 4000, perClient: 8, patienceMs: 15_000 },
};
/** Seconds after which what could not be looked up is asked for again. */
const FAILED_AGAIN_S = 5;

/** Serves boot scripts and files to loaders and installers, over plain HTTP: what they fetch is judged by its digest. */
export async function startBootHttp(options: BootHttpOptions): Promise<BootHttp> {
  const { nginx, log, limits = LIMITS } = options;
  const doorTo = (what: 'files' | 'decisions') =>
    new Admission({
      limits: limits[what],
      rackOf: options.rackOf,
      clock: () => performance.now(),
      random: options.random,
      tell: (turnedAway) => log.warn({ turnedAway, what }, 'more machines boot than can be served: they come again'),
    });
  const [fileDoor, decisionDoor] = [doorTo('files'), doorTo('decisions')];
  let url = '';
  const server = createServer(
    { maxHeaderSize: 8192, requestTimeout: 10_000, headersTimeout: 5_000, connectionsCheckingInterval: 1_000 },
    (request, response) => {
      route(request, response).catch((error: Error) => {
        log.warn({ cause: error.message, path: request.url }, 'a boot request failed');
        if (response.headersSent) response.destroy();
        else if (error instanceof NotNow) comeAgain(response, FAILED_AGAIN_S, error.message);
        else response.writeHead(500).end();
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
    const address = askerOf(request, nginx !== undefined);
    if (file !== undefined)
      return await fileDoor.admit(response, address, () => options.files.serve(request, response, file));
    const loader = /^\/loaders\/([\w.-]+)$/.exec(target?.pathname ?? '')?.[1];
    if (loader !== undefined && options.loaders !== undefined)
      return await serveLoader(request, response, options.loaders, loader, log);
    if (target?.pathname === '/boot/ipxe') return text(response, firstScript(url, pausesOf(options.random)));
    if (target?.pathname === '/boot/script')
      return await decisionDoor.admit(response, address, async () =>
        text(response, await script(options, url, target.searchParams, address)),
      );
    response.writeHead(404).end();
  };
  server.listen({ port: options.port, host: options.address, backlog: BACKLOG });
  await Promise.race([once(server, 'listening'), failure(server, options)]);
  const { port } = server.address() as AddressInfo;
  url = nginx ?? `http://${options.address}:${port}`;
  return {
    url,
    port,
    close: async () => {
      for (const door of [fileDoor, decisionDoor]) door.close();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

/** Who asks. Only nginx of this machine can reach us when it stands before us, and it says for whom; nobody else is believed. */
function askerOf({ socket, headers }: IncomingMessage, byNginx: boolean): string {
  return (byNginx ? headers['x-real-ip']?.toString() : undefined) ?? socket.remoteAddress ?? '';
}

async function failure(server: ReturnType<typeof createServer>, { address, port }: BootHttpOptions): Promise<never> {
  const [error] = (await once(server, 'error')) as [NodeJS.ErrnoException];
  if (error.code !== 'EADDRINUSE') throw error;
  throw new Error(`TCP ${address}:${port} is taken by another program: set MACHINEDB_PXE_PORT to another port`);
}

/** The script for one machine. */
async function script(options: BootHttpOptions, url: string, query: URLSearchParams, address: string): Promise<string> {
  const platform = query.get('platform') === 'efi' ? 'efi' : 'pcbios';
  const answer = await answerTo(query, platform, address, options);
  return renderIpxe(answer, { url, platform, arguments: options.arguments(url), pauses: pausesOf(options.random) });
}

function text(response: ServerResponse, body: string): void {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(body) }).end(body);
}
