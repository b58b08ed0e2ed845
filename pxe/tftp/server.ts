import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { printable } from '../../shared/printable.ts';
import { type Content, contentOf } from './content.ts';
import { openBelow } from './open-file.ts';
import { agree, errorPacket, errors, parseTftp, type ReadRequest } from './packet.ts';
import { Transfer } from './transfer.ts';

export interface TftpOptions {
  address: string;
  port: number;
  /** Folder of the files; nothing outside of it is read. */
  root: string;
  /** Opens what is no file of the folder, by the name that a client asks for; undefined: there is no such thing. */
  other?: (name: string, client: string) => Promise<Content | undefined> | undefined;
  /**
   * Transfers at a time, and of one client; more are not answered, and the clients ask again. One rack has no more of them than
   * are free, so that there is always room for another.
   */
  most?: number;
  mostPerClient?: number;
  /** Which rack an address is of. */
  rackOf: (address: string) => string;
  log: { info: (data: object, message: string) => void; warn: (data: object, message: string) => void };
}

export interface TftpServer {
  port: number;
  close(): Promise<void>;
}

/** Serves files by TFTP (RFC 1350), read only. Every transfer has a socket of its own, which is its transfer id. */
export async function startTftp(options: TftpOptions): Promise<TftpServer> {
  const { address, port, most = 4000, mostPerClient = 8, rackOf, log } = options;
  const socket = createSocket({ type: 'udp4', lookup: asIs });
  const sessions = new Map<string, Session>();
  const clients = new Counter();
  const racks = new Counter();
  let closed = false;
  const count = (peer: RemoteInfo, step: 1 | -1) => {
    clients.add(peer.address, step);
    racks.add(rackOf(peer.address), step);
  };
  const serve = (peer: RemoteInfo, asked: Buffer, request: ReadRequest, file: Content) => {
    const key = `${peer.address}:${peer.port}`;
    const own = createSocket({ type: 'udp4', lookup: asIs });
    const transfer = new Transfer({
      file,
      terms: agree(request, file.size),
      send: (packet) => own.send(packet, peer.port, peer.address),
      done: (whole) => {
        sessions.delete(key);
        count(peer, -1);
        // What is still to be sent goes out first.
        setImmediate(() => own.close());
        log.info({ file: printable(request.file), bytes: file.size, client: peer.address, whole }, 'TFTP');
      },
    });
    sessions.set(key, { asked, transfer });
    count(peer, 1);
    listen(own, peer, transfer, log);
    own.bind({ address, port: 0 }, () => transfer.start());
  };
  socket.on('message', (data, peer) => {
    const request = parseTftp(data);
    // Nothing can be sent to port 0.
    if (request === undefined || request.kind === 'ack' || request.kind === 'error' || peer.port === 0) return;
    const refuse = (code: number, message: string) => socket.send(errorPacket(code, message), peer.port, peer.address);
    if (request.kind === 'write') return refuse(errors.denied, 'this server is read only');
    if (request.mode !== 'octet') return refuse(errors.illegal, 'only mode octet is served');
    const running = sessions.get(`${peer.address}:${peer.port}`);
    // A request that came twice is being served. Another one from the same port: its client began anew without a word.
    if (running?.asked.equals(data)) return;
    running?.transfer.end(false);
    if (clients.of(peer.address) >= mostPerClient) return;
    if (racks.of(rackOf(peer.address)) >= most - sessions.size) return;
    const notFound = () => refuse(errors.notFound, 'file not found');
    const file = openBelow(options.root, request.file);
    if (file !== undefined) return serve(peer, data, request, contentOf(file));
    const other = options.other?.(request.file, peer.address);
    if (other === undefined) return notFound();
    // A client that asks again meanwhile has to wait, and counts among those that are served.
    const key = `${peer.address}:${peer.port}`;
    const opening: Session = { asked: data, transfer: { acknowledge: () => {}, end: () => {} } };
    sessions.set(key, opening);
    count(peer, 1);
    other
      .catch((error: Error) => {
        log.warn({ file: printable(request.file), client: peer.address, cause: error.message }, 'a TFTP file');
        return undefined;
      })
      .then((found) => {
        count(peer, -1);
        const isWanted = sessions.get(key) === opening && !closed;
        if (sessions.get(key) === opening) sessions.delete(key);
        if (isWanted && found !== undefined) serve(peer, data, request, found);
        else if (found !== undefined) found.close();
        else if (isWanted) notFound();
      });
  });
  socket.on('error', (error) => log.warn({ cause: error.message }, 'TFTP socket'));
  await bind(socket, address, port);
  return {
    port: socket.address().port,
    close: async () => {
      closed = true;
      for (const { transfer } of sessions.values()) transfer.end(false);
      await new Promise<void>((done) => socket.close(done));
    },
  };
}

/** Addresses are written as numbers only: to look each packet's up as if it were a name costs more than to send it. */
const asIs = (address: string, _: unknown, done: (error: null, address: string, family: number) => void) =>
  done(null, address, 4);

/** How many there are by name; what there is none of takes no memory. */
class Counter {
  readonly #counts = new Map<string, number>();

  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  add(name: string, step: 1 | -1): void {
    const now = this.of(name) + step;
    if (now === 0) this.#counts.delete(name);
    else this.#counts.set(name, now);
  }
}

interface Session {
  /** The request as it came. */
  asked: Buffer;
  transfer: Pick<Transfer, 'acknowledge' | 'end'>;
}

function listen(own: Socket, peer: RemoteInfo, transfer: Transfer, log: TftpOptions['log']): void {
  own.on('message', (data, from) => {
    if (from.address !== peer.address || from.port !== peer.port) {
      if (from.port !== 0) own.send(errorPacket(errors.unknownTid, 'unknown transfer id'), from.port, from.address);
      return;
    }
    const packet = parseTftp(data);
    if (packet?.kind === 'ack') transfer.acknowledge(packet.block);
    else if (packet?.kind === 'error') transfer.end(false);
  });
  own.on('error', (error) => {
    log.warn({ cause: error.message, client: peer.address }, 'TFTP transfer');
    transfer.end(false);
  });
}

async function bind(socket: Socket, address: string, port: number): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  socket.once('error', (error: NodeJS.ErrnoException) =>
    reject(
      error.code === 'EADDRINUSE'
        ? new Error(`UDP ${address}:${port} is taken: another TFTP server runs here; stop it, or do without --pxe`)
        : error,
    ),
  );
  const listening = once(socket, 'listening');
  socket.bind({ address, port });
  await Promise.race([listening, promise]);
}
