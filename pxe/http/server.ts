import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type BootAnswer, type BootRequest, bootAnswer, bootRequest } from '../../shared/boot.ts';
import type { QueueLimits } from '../fair-queue.ts';
import { Admission, comeAgain } from './admission.ts';
import { Files } from './files.ts';
import { firstScript, renderIpxe } from './ipxe.ts';
import { pausesOf } from './pauses.ts';

export interface BootHttpOptions {
  address: string;
  port: number;
  /** Folder of the files, each named by its SHA-256. */
  files: string;
  /** Whether a signed manifest names a file; throws when that cannot be known now. */
  isKnown: (sha256: string) => Promise<boolean>;
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

/** Seconds after which a machine asks again when its answer cannot be had, on average. */
const AGAIN_S = 10;
/** A connection on which nothing moves is closed: its client may have lost power. */
const IDLE_MS = 120_000;
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
const platforms: Record<string, number> = { efi: 7, pcbios: 0 };

/** Serves boot scripts and files to loaders and installers, over plain HTTP: what they fetch is judged by its digest. */
export async function startBootHttp(options: BootHttpOptions): Promise<BootHttp> {
  const { nginx, isKnown, log, limits = LIMITS } = options;
  const patienceMs = options.idleMs ?? IDLE_MS;
  const files = new Files({
    directory: options.files,
    isKnown: asked(isKnown),
    byNginx: nginx !== undefined,
    patienceMs,
  });
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
  server.setTimeout(patienceMs);
  const route = async (request: IncomingMessage, response: ServerResponse) => {
    const target = URL.parse(request.url ?? '', 'http://boot');
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return void response.writeHead(405, { allow: 'GET, HEAD' }).end();
    const file = /^\/files\/([0-9a-f]{64})$/.exec(target?.pathname ?? '')?.[1];
    const address = askerOf(request, nginx !== undefined);
    if (file !== undefined) return await fileDoor.admit(response, address, () => files.serve(request, response, file));
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

/** What cannot be said now, and may be in a while. */
class NotNow extends Error {}

/** The manifests' word on a file, or NotNow. */
function asked(isKnown: BootHttpOptions['isKnown']): BootHttpOptions['isKnown'] {
  return (sha256) =>
    isKnown(sha256).catch((error: Error) => {
      throw new NotNow(`whether an image has this file cannot be looked up (${error.message})`);
    });
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

/** The script for one machine. It is told the cause, and asks again, when there is no answer: never a dead end. */
async function script(
  { decide, arguments: words, log, random }: BootHttpOptions,
  url: string,
  query: URLSearchParams,
  address: string,
): Promise<string> {
  const platform = query.get('platform') === 'efi' ? 'efi' : 'pcbios';
  const rendered = { url, platform, arguments: words(url), pauses: pausesOf(random) };
  const seconds = Math.round(AGAIN_S * (0.5 + random()));
  const wait = (reason: string) => renderIpxe({ spec: { kind: 'wait', seconds }, reason }, rendered);
  const request = questionOf(query, address);
  if (request === undefined) return wait('the loader did not tell its MAC address');
  try {
    const answer = bootAnswer.parse(await decide(request));
    log.info({ mac: request.mac, answer: answer.spec.kind, node: answer.node }, answer.reason);
    return renderIpxe(answer, rendered);
  } catch (error) {
    log.warn({ mac: request.mac, cause: (error as Error).message }, 'no boot decision could be had');
    return wait('the inventory does not answer');
  }
}

/** What a loader says of its machine; undefined when it does not say which it is. */
export function questionOf(query: URLSearchParams, address: string): BootRequest | undefined {
  return bootRequest.safeParse({
    mac: query.get('mac')?.toLowerCase(),
    arch: platforms[query.get('platform') === 'efi' ? 'efi' : 'pcbios'],
    uuid: uuidOf(query.get('uuid')),
    serial: query.get('serial')?.slice(0, 200) || undefined,
    address,
  }).data;
}

/** A board without a UUID shows zeros or ones only. */
function uuidOf(text: string | null): string | undefined {
  return text === null || /^[0-]*$|^[f-]*$/i.test(text) ? undefined : text.slice(0, 64);
}

function text(response: ServerResponse, body: string): void {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(body) }).end(body);
}
