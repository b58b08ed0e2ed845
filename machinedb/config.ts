import { join, resolve } from 'node:path';
import { z } from 'zod';
import { type Loader, loaders } from '../pxe/dhcp/boot-file.ts';
import { type RelayedSubnet, readSubnets } from '../pxe/dhcp/subnets.ts';
import { canonicalIp, networkOf } from '../shared/ip.ts';
import { serversOf } from './failover/servers.ts';

const duration = (ms: number) => z.coerce.number().int().min(1).default(ms);

/** Whether a text is a list of these, of `count` if that is given. */
function listOf(item: z.ZodType, separator: string, count?: number): (text: string) => boolean {
  return (text) => {
    const items = text.split(separator);
    return items.every((each) => item.safeParse(each).success) && (count ?? items.length) === items.length;
  };
}

/** A setting that names a file: what `read` makes of it, or what is wrong in it. */
function readable<Content>(read: (path: string) => Content): (path: string, context: z.RefinementCtx) => Content {
  return (path, context) => {
    try {
      return read(path);
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message });
      return z.NEVER;
    }
  };
}

/** Every setting of the daemon, read once. Times are milliseconds. */
const settings = z.object({
  MACHINEDB_LISTEN: z
    .string()
    .regex(/^(\[[0-9a-fA-F:.]+\]|[^:[\]]+):\d{1,5}$/, 'expected HOST:PORT, an IPv6 address in brackets')
    .default('127.0.0.1:4280'),
  MACHINEDB_STATE: z.string().min(1).default('./.machinedb'),
  MACHINEDB_KEK_FILE: z.string().min(1).optional(),
  MACHINEDB_TLS: z.enum(['on', 'off']).default('on'),
  MACHINEDB_LOG: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent']).default('info'),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, { error: 'expected postgresql://...', abort: true })
    .superRefine((url, context) => void readable(serversOf)(url, context))
    .optional(),
  MACHINEDB_DB_CONNECTIONS: z.coerce.number().int().min(2).max(500).default(10),
  MACHINEDB_STATEMENT_TIMEOUT_MS: duration(15_000),
  MACHINEDB_HEARTBEAT_MS: duration(30_000),
  MACHINEDB_TOKEN_LIFE_MS: duration(3_600_000),
  MACHINEDB_NONCE_LIFE_MS: duration(300_000),
  MACHINEDB_TASK_MS: duration(5_000),
  MACHINEDB_QUARANTINE_MS: duration(7 * 86_400_000),
  MACHINEDB_PENDING_PER_SOURCE: z.coerce.number().int().min(1).default(256),
  MACHINEDB_APPLY_LIMIT_MS: duration(600_000),
  MACHINEDB_IMAGES: z.string().min(1).optional(),
  MACHINEDB_PCI_IDS: z.string().min(1).default('/usr/share/misc/pci.ids'),
  MACHINEDB_PXE: z
    .string()
    .regex(/^[^\s/]{1,15}$/, 'expected the name of an interface')
    .optional(),
  MACHINEDB_PXE_DHCP: z.enum(['full', 'proxy'], { error: 'expected full or proxy' }).default('full'),
  MACHINEDB_PXE_POOL: z
    .string()
    .refine((text) => listOf(z.ipv4(), '-', 2)(text), 'expected FIRST-LAST, two IPv4 addresses')
    .optional(),
  MACHINEDB_PXE_ROUTER: z.ipv4('expected an IPv4 address').optional(),
  MACHINEDB_PXE_DNS: z
    .string()
    .refine((text) => listOf(z.ipv4(), ',')(text), 'expected IPv4 addresses with commas between')
    .optional(),
  MACHINEDB_PXE_SUBNETS: z.string().min(1).transform(readable(readSubnets)).optional(),
  MACHINEDB_PXE_RA: z
    .cidrv6('expected an IPv6 prefix of 64 bits, such as fd77::/64')
    .regex(/\/64$/, 'expected an IPv6 prefix of 64 bits, such as fd77::/64')
    .optional(),
  MACHINEDB_PXE_RA_DNS: z
    .string()
    .refine((text) => listOf(z.ipv6(), ',')(text), 'expected IPv6 addresses with commas between')
    .optional(),
  MACHINEDB_PXE_PORT: z.coerce.number().int().min(0).max(65535).default(4281),
  MACHINEDB_PXE_NGINX: z
    .string()
    .regex(/^http:\/\/(\[[0-9a-fA-F:]+\]|[^\s/:]+)(:\d{1,5})?$/, 'expected http://HOST:PORT, where nginx listens')
    .optional(),
  MACHINEDB_PXE_LEASE_S: z.coerce.number().int().min(10).default(3600),
  MACHINEDB_PXE_LOADER: z.enum(loaders).default('ipxe'),
  MACHINEDB_PXE_LOADERS: z.string().min(1).default('/usr/lib/ipxe'),
  MACHINEDB_WEBHOOK_ALLOW: z
    .string()
    .refine(
      (text) => listOf(z.union([z.cidrv4(), z.cidrv6()]), ',')(text),
      'expected networks in CIDR notation with commas between',
    )
    .optional(),
  MACHINEDB_STATE_LIMIT_SCALE: z.coerce.number().positive().default(1),
  MACHINEDB_SIBLINGS_LEAST: z.coerce.number().int().min(2).default(5),
  MACHINEDB_SIBLINGS_SHARE: z.coerce.number().gt(0.5).max(1).default(0.8),
});

/** The boot service that runs in the daemon's process. */
export interface PxeConfig {
  /** Name of the interface. */
  readonly interface: string;
  /** proxy: another server gives the addresses. */
  readonly dhcp: 'full' | 'proxy';
  /** Undefined: the upper half of its network. */
  readonly pool: { first: string; last: string } | undefined;
  readonly router: string | undefined;
  readonly dns: string[];
  /** On loopback when nginx stands before it. */
  readonly httpPort: number;
  /** Where machines reach the nginx that sends the files; undefined: the boot service sends them itself. */
  readonly nginx: string | undefined;
  readonly leaseSeconds: number;
  /** What UEFI machines start. */
  readonly loader: Loader;
  /** Networks behind relay agents. */
  readonly subnets: readonly RelayedSubnet[];
  /** Undefined: no router advertisements. */
  readonly advertise: { prefix: string; dns: readonly string[] } | undefined;
  /** Folder with iPXE's loaders. */
  readonly loaders: string;
}

export interface Config {
  readonly host: string;
  readonly port: number;
  readonly stateDirectory: string;
  /** File with the key-encryption key; `kek` in the state directory when undefined. */
  readonly kekFile: string | undefined;
  readonly tls: boolean;
  readonly logLevel: string;
  readonly databaseUrl: string | undefined;
  readonly dbConnections: number;
  readonly statementTimeoutMs: number;
  /** Shortest time between two heartbeats of a node. */
  readonly heartbeatMs: number;
  readonly tokenLifeMs: number;
  readonly nonceLifeMs: number;
  /** Time between two runs of the background tasks. */
  readonly taskMs: number;
  /** How long a released address rests. */
  readonly quarantineMs: number;
  /** Unapproved nodes at most that one source address may have. */
  readonly pendingPerSource: number;
  /** Factor on every state's time limit. */
  readonly stateLimitScale: number;
  /** Machines that have to be alike, and the share of them that is most, before the others are odd. */
  readonly siblings: { least: number; share: number };
  /** Networks (CIDR) that webhooks may be in besides public addresses. */
  readonly webhookAllow: readonly string[];
  /** How long a node may apply, besides the time that its intent gives a change to be confirmed in. */
  readonly applyLimitMs: number;
  /** Folder of images: their manifests, and files/ by SHA-256. */
  readonly imageDirectory: string;
  /** PCI id database, where there is one. */
  readonly pciIds: string;
  /** Undefined: no boot service. */
  readonly pxe: PxeConfig | undefined;
}

/** Reads the settings from an environment. All that is wrong is told in one error. */
export function readConfig(environment: Record<string, string | undefined>): Config {
  const parsed = settings.safeParse(environment);
  const wrong = [
    ...(parsed.error?.issues ?? []).map((issue) => `${issue.path.join('.')}: ${issue.message}`),
    ...contradictions(environment),
  ];
  if (!parsed.success || wrong.length > 0) {
    throw new Error(`settings are wrong; correct them in the environment:\n  ${wrong.join('\n  ')}`);
  }
  const s = parsed.data;
  const colon = s.MACHINEDB_LISTEN.lastIndexOf(':');
  const host = s.MACHINEDB_LISTEN.slice(0, colon).replace(/^\[|\]$/g, '');
  if (s.MACHINEDB_TLS === 'off' && !/^(127\.|::1$|localhost$)/.test(host)) {
    throw new Error(
      `MACHINEDB_TLS=off is only for loopback, and MACHINEDB_LISTEN is ${s.MACHINEDB_LISTEN}: leave TLS on, or listen on 127.0.0.1`,
    );
  }
  return Object.freeze({
    host,
    port: Number(s.MACHINEDB_LISTEN.slice(colon + 1)),
    stateDirectory: resolve(s.MACHINEDB_STATE),
    kekFile: s.MACHINEDB_KEK_FILE,
    tls: s.MACHINEDB_TLS === 'on',
    logLevel: s.MACHINEDB_LOG,
    databaseUrl: s.DATABASE_URL,
    dbConnections: s.MACHINEDB_DB_CONNECTIONS,
    statementTimeoutMs: s.MACHINEDB_STATEMENT_TIMEOUT_MS,
    heartbeatMs: s.MACHINEDB_HEARTBEAT_MS,
    tokenLifeMs: s.MACHINEDB_TOKEN_LIFE_MS,
    nonceLifeMs: s.MACHINEDB_NONCE_LIFE_MS,
    taskMs: s.MACHINEDB_TASK_MS,
    quarantineMs: s.MACHINEDB_QUARANTINE_MS,
    pendingPerSource: s.MACHINEDB_PENDING_PER_SOURCE,
    stateLimitScale: s.MACHINEDB_STATE_LIMIT_SCALE,
    siblings: { least: s.MACHINEDB_SIBLINGS_LEAST, share: s.MACHINEDB_SIBLINGS_SHARE },
    applyLimitMs: s.MACHINEDB_APPLY_LIMIT_MS,
    webhookAllow: (s.MACHINEDB_WEBHOOK_ALLOW?.split(',') ?? []).map(toNetwork),
    imageDirectory: resolve(s.MACHINEDB_IMAGES ?? join(s.MACHINEDB_STATE, 'images')),
    pciIds: resolve(s.MACHINEDB_PCI_IDS),
    pxe: pxeOf(s),
  });
}

/** A network in its one form, without host bits. */
function toNetwork(cidr: string): string {
  const [address = '', length] = cidr.split('/');
  return networkOf(canonicalIp(address)!, Number(length));
}

/** Settings of the boot service that mean nothing beside another. */
function contradictions(environment: Record<string, string | undefined>): string[] {
  const isSet = (name: string) => environment[name] !== undefined;
  const wrong: string[] = [];
  if (environment.MACHINEDB_PXE_DHCP === 'proxy') {
    for (const name of ['MACHINEDB_PXE_POOL', 'MACHINEDB_PXE_ROUTER', 'MACHINEDB_PXE_DNS', 'MACHINEDB_PXE_LEASE_S'])
      if (isSet(name))
        wrong.push(`${name}: with MACHINEDB_PXE_DHCP=proxy another server gives addresses: take one of both away`);
    // Seen with Debian's signed GRUB 2.06: it goes by the DHCP answer alone, and not by that of ProxyDHCP.
    if (environment.MACHINEDB_PXE_LOADER === 'shim')
      wrong.push(
        'MACHINEDB_PXE_LOADER: with MACHINEDB_PXE_DHCP=proxy the signed GRUB looks for its files at the other server: give the addresses here, or start iPXE',
      );
  }
  if (isSet('MACHINEDB_PXE_RA_DNS') && !isSet('MACHINEDB_PXE_RA'))
    wrong.push('MACHINEDB_PXE_RA_DNS: name servers are advertised with a prefix: set MACHINEDB_PXE_RA, too');
  return wrong;
}

function pxeOf(s: z.output<typeof settings>): PxeConfig | undefined {
  if (s.MACHINEDB_PXE === undefined) return undefined;
  const [first, last] = s.MACHINEDB_PXE_POOL?.split('-') ?? [];
  return {
    interface: s.MACHINEDB_PXE,
    dhcp: s.MACHINEDB_PXE_DHCP,
    pool: first === undefined || last === undefined ? undefined : { first, last },
    router: s.MACHINEDB_PXE_ROUTER,
    dns: s.MACHINEDB_PXE_DNS?.split(',') ?? [],
    httpPort: s.MACHINEDB_PXE_PORT,
    nginx: s.MACHINEDB_PXE_NGINX,
    leaseSeconds: s.MACHINEDB_PXE_LEASE_S,
    loader: s.MACHINEDB_PXE_LOADER,
    subnets: s.MACHINEDB_PXE_SUBNETS ?? [],
    advertise:
      s.MACHINEDB_PXE_RA === undefined
        ? undefined
        : { prefix: s.MACHINEDB_PXE_RA, dns: s.MACHINEDB_PXE_RA_DNS?.split(',') ?? [] },
    loaders: s.MACHINEDB_PXE_LOADERS,
  };
}

/** The settings of this process; ends it with a message when they are wrong. */
export function readConfigOrExit(): Config {
  try {
    return readConfig(process.env);
  } catch (error) {
    process.stderr.write(`machinedb: ${(error as Error).message}\n`);
    process.exit(1);
  }
}
