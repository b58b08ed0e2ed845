import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type BootAnswer, type BootRequest, bootAnswer, bootRequest } from '../../shared/boot.ts';
import { Files, type Origin } from './files.ts';
import { firstScript, renderIpxe } from './ipxe.ts';

export interface BootHttpOptions {
  address: string;
  port: number;
  /** Folder of the files, each named by its SHA-256. */
  files: string;
  /** Where missing or damaged files are had. */
  origin?: Origin | undefined;
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

/** Seconds after which a machine asks again when its answer cannot be had. */
const AGAIN_S = 10;
/** A connection on which nothing moves is closed: its client may have lost power. */
const IDLE_MS = 120_000;
const MOST_CONNECTIONS = 8000;
const platforms: Record<string, number> = { efi: 7, pcbios: 0 };

/** Serves boot scripts and files to loaders and installers, over plain HTTP: what they fetch is judged by its digest. */
export async function startBootHttp(options: BootHttpOptions): Promise<BootHttp> {
  const files = new Files(options.files, options.origin);
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
    if (file !== undefined) return await files.serve(request, response, file);
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

/** The script for one machine. It is told the cause, and asks again, when there is no answer: never a dead end. */
async function script(
  { decide, arguments: words, log }: BootHttpOptions,
  url: string,
  query: URLSearchParams,
  address: string | undefined,
): Promise<string> {
  const platform = query.get('platform') === 'efi' ? 'efi' : 'pcbios';
  const rendered = { url, platform, arguments: words(url) };
  const wait = (reason: string) => renderIpxe({ spec: { kind: 'wait', seconds: AGAIN_S }, reason }, rendered);
  const request = bootRequest.safeParse({
    mac: query.get('mac')?.toLowerCase(),
    arch: platforms[platform],
    uuid: uuidOf(query.get('uuid')),
    serial: query.get('serial')?.slice(0, 200) || undefined,
    address,
  });
  if (!request.success) return wait('the loader did not tell its MAC address');
  try {
    const answer = bootAnswer.parse(await decide(request.data));
    log.info({ mac: request.data.mac, answer: answer.spec.kind, node: answer.node }, answer.reason);
    return renderIpxe(answer, rendered);
  } catch (error) {
    log.warn({ mac: request.data.mac, cause: (error as Error).message }, 'no boot decision could be had');
    return wait('the inventory does not answer');
  }
}

/** A board without a UUID shows zeros or ones only. */
function uuidOf(text: string | null): string | undefined {
  return text === null || /^[0-]*$|^[f-]*$/i.test(text) ? undefined : text.slice(0, 64);
}

function text(response: ServerResponse, body: string): void {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(body) }).end(body);
}
