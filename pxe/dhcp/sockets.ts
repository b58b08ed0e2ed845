import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Log } from '../pxe.ts';

export interface DhcpSockets {
  send(data: Buffer, port: number, address: string): void;
  close(): Promise<void>;
}

/**
 * Opens a DHCP port of an interface, for what is sent to its address and for what is broadcast. What is broadcast from here leaves
 * by the interface that has the address only: Linux chooses the way of a limited broadcast by the address that the socket is
 * bound to (ip(7), fib lookup by source).
 *
 * @param handle `direct`: the packet was sent to our address
 */
export async function openSockets(
  address: string,
  port: number,
  log: Pick<Log, 'warn'>,
  handle: (data: Buffer, from: RemoteInfo, direct: boolean) => void,
): Promise<DhcpSockets> {
  const own = await open(address, port);
  const all = await open('0.0.0.0', port).catch((error: Error) => {
    own.close();
    throw error;
  });
  own.on('message', (data, from) => handle(data, from, true));
  all.on('message', (data, from) => handle(data, from, false));
  for (const socket of [own, all]) socket.on('error', (error) => log.warn({ cause: error.message }, 'DHCP socket'));
  return {
    send: (data, to, receiver) => own.send(data, to, receiver),
    close: async () => {
      await Promise.all([own, all].map((socket) => new Promise<void>((done) => socket.close(done))));
    },
  };
}

async function open(address: string, port: number): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  const failed = once(socket, 'error').then(([error]) => {
    throw error;
  });
  socket.bind({ address, port });
  await Promise.race([once(socket, 'listening'), failed]).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EADDRINUSE')
      throw new Error(
        `UDP ${address}:${port} is taken by another DHCP program: machinedb pxe check names it; stop it, or do without MACHINEDB_PXE`,
      );
    if (error.code === 'EACCES') throw new Error(`UDP port ${port} needs root or CAP_NET_BIND_SERVICE`);
    throw error;
  });
  failed.catch(() => undefined);
  socket.setBroadcast(true);
  return socket;
}
