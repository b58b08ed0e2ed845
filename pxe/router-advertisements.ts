import { spawn } from 'node:child_process';
import { BlockList } from 'node:net';
import { networkInterfaces } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from './pxe.ts';

export interface AdvertisementOptions {
  /** Name of the interface. */
  interface: string;
  /** The prefix that machines make themselves an address of (SLAAC), of 64 bits; the interface has an address in it. */
  prefix: string;
  /** Name servers that they are told (RFC 8106). */
  dns: readonly string[];
  log: Log;
}

export interface Advertisements {
  close(): Promise<void>;
}

const INTERVAL_S = 10;
/** Time after which a sender that has not failed is taken for one that works. */
const SETTLED_MS = 300;
const AGAIN_MS = { first: 500, most: 30_000 };

/**
 * A sender that ends when whoever started it is gone, in whatever way: its standard input is a pipe of ours, which ends with us, and
 * something waits for that.
 */
const WITH_US = 'exec 3<&0; (read -r _ <&3; kill "$$") >/dev/null 2>&1 & exec "$@" 3<&- </dev/null';

/** dnsmasq's arguments: router advertisements only. It is no router, so that nothing is sent to it (lifetime 0). */
function advertise({ interface: name, prefix, dns }: AdvertisementOptions): string[] {
  return [
    '--keep-in-foreground',
    '--conf-file=/dev/null',
    '--port=0',
    '--pid-file=',
    '--dhcp-leasefile=/dev/null',
    '--log-facility=-',
    `--interface=${name}`,
    '--enable-ra',
    `--ra-param=${name},${INTERVAL_S},0`,
    `--dhcp-range=${prefix.split('/')[0]},ra-only,64,10m`,
    ...(dns.length === 0 ? [] : [`--dhcp-option=option6:dns-server,${dns.map((ip) => `[${ip}]`).join(',')}`]),
  ];
}

/**
 * Sends router advertisements by dnsmasq, for Node has no raw sockets; starts it again when it ends by itself. Throws when it cannot
 * be started.
 */
export async function startAdvertisements(options: AdvertisementOptions): Promise<Advertisements> {
  checkPrefix(options);
  const ending = new AbortController();
  const said: string[] = [];
  const launch = () => {
    const child = spawn('sh', ['-c', WITH_US, 'sh', 'dnsmasq', ...advertise(options)], {
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    child.stdin.on('error', () => undefined);
    child.stderr.on('data', (chunk: Buffer) => {
      said.push(...String(chunk).trim().split('\n'));
      said.splice(0, said.length - 3);
    });
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', (error) => {
        said.push(error.message);
        resolve();
      });
    }).then(() => child.stdin.end());
    return { child, ended };
  };
  let sender = launch();
  if (await Promise.race([sender.ended.then(() => true), sleep(SETTLED_MS, false)]))
    throw new Error(
      `router advertisements cannot be sent (${said.join('; ') || 'dnsmasq ended'}): apt-get install dnsmasq-base, or unset MACHINEDB_PXE_RA`,
    );
  const watch = async () => {
    for (let delay = AGAIN_MS.first; ; delay = Math.min(2 * delay, AGAIN_MS.most)) {
      await sender.ended;
      if (ending.signal.aborted) return;
      options.log.warn({ cause: said.join('; ') }, 'router advertisements ended by themselves: begun again');
      await sleep(delay, undefined, { signal: ending.signal }).catch(() => undefined);
      if (ending.signal.aborted) return;
      sender = launch();
    }
  };
  const watching = watch();
  return {
    close: async () => {
      ending.abort();
      sender.child.kill('SIGTERM');
      await watching;
    },
  };
}

/** dnsmasq is silent about a prefix that the interface has no address in. */
function checkPrefix({ interface: name, prefix }: AdvertisementOptions): void {
  const inside = new BlockList();
  inside.addSubnet(prefix.split('/')[0]!, 64, 'ipv6');
  const addresses = (networkInterfaces()[name] ?? []).filter(({ family }) => family === 'IPv6');
  if (addresses.some(({ address }) => inside.check(address, 'ipv6'))) return;
  throw new Error(
    `MACHINEDB_PXE_RA is ${prefix}, but interface ${name} has no address in it: give it one (ip address add ${prefix.replace('/', '1/')} dev ${name}), or unset it`,
  );
}
