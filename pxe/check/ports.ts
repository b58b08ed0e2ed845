import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Finding } from './finding.ts';
import { openSocketsHere, ownerOf } from './sockets.ts';

/** A port that the boot service needs. */
export interface Needed {
  protocol: 'udp' | 'tcp';
  port: number;
  what: string;
  /** What to do when another program has it. */
  way: string;
}

/** The ports of a boot service, for its kind of DHCP. */
export function neededPorts(dhcp: 'full' | 'proxy', httpPort: number): Needed[] {
  const stop = 'stop it, or let it serve other interfaces only';
  return [
    { protocol: 'udp', port: 67, what: 'DHCP', way: stop },
    ...(dhcp === 'proxy' ? [{ protocol: 'udp' as const, port: 4011, what: 'ProxyDHCP', way: stop }] : []),
    { protocol: 'udp', port: 69, what: 'TFTP', way: stop },
    { protocol: 'tcp', port: httpPort, what: 'boot files', way: `${stop}, or set MACHINEDB_PXE_PORT to another port` },
  ];
}

/**
 * Ports that another program has, or that this user may not have.
 *
 * @param own process of the daemon that runs here: what it has is as it should be
 */
export async function checkPorts(address: string, needed: Needed[], own: number | undefined): Promise<Finding[]> {
  const findings: Finding[] = [];
  const open = openSocketsHere();
  for (const { protocol, port, what, way } of needed) {
    const name = `${protocol.toUpperCase()} ${address}:${port} (${what})`;
    const owners = open
      .filter((each) => each.protocol === protocol && each.port === port)
      .filter((each) => each.address === address || each.address === '0.0.0.0')
      .map((each) => ownerOf(each.inode));
    if (owners.some((owner) => owner !== undefined && owner.pid === own)) continue;
    const refused = await tryPort(protocol, address, port);
    if (refused === undefined && owners.length === 0) continue;
    const [who] = owners.map((owner) =>
      owner === undefined ? 'a process that only root can name' : `${owner.name} (process ${owner.pid})`,
    );
    if (refused === 'EACCES')
      findings.push({
        ...{ check: 'ports', level: 'warning', what: `${name} may not be had` },
        cause: 'it is below 1024, and this user is not root',
        way: 'run the boot service as root, or with CAP_NET_BIND_SERVICE',
      });
    else
      findings.push({
        check: 'ports',
        // Two programs can share a DHCP port, as where one serves another interface: then both hear every question.
        level: refused === undefined ? 'warning' : 'error',
        what: refused === undefined ? `${name} is shared with another program` : `${name} is taken`,
        cause: `${who ?? 'a program that cannot be told'} has it`,
        way,
      });
  }
  return findings;
}

/** Takes a port as the boot service does, and gives it back. Answers why it could not be had. */
async function tryPort(protocol: 'udp' | 'tcp', address: string, port: number): Promise<string | undefined> {
  const refusal = (error: unknown) => (error as NodeJS.ErrnoException).code ?? 'unknown';
  if (protocol === 'tcp') {
    const server = createServer().listen(port, address);
    try {
      await once(server, 'listening');
      return undefined;
    } catch (error) {
      return refusal(error);
    } finally {
      server.close();
    }
  }
  const socket = createSocket({ type: 'udp4', reuseAddr: port !== 69 });
  try {
    socket.bind(port, address);
    await once(socket, 'listening');
    return undefined;
  } catch (error) {
    return refusal(error);
  } finally {
    socket.close();
  }
}
